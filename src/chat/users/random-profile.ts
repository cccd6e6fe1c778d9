import type { Profile } from '../../api/index.js';
import { type RandomSource, randomElement } from '../../core/index.js';

const adjectives =
  'Able Agile Amber Ancient Ardent Autumn Azure Bold Brave Bright Brisk Calm Candid Careful Cheerful Clear Clever Coral Cosmic Cozy Crisp Curious Daring Dawn Deep Dreamy Eager Early Earnest Easy Elegant Emerald Fabled Fair Faithful Fearless Fine Fluent Fond Free Fresh Friendly Gentle Gilded Glad Golden Graceful Grand Green Happy Hardy Hidden Honest Humble Icy Indigo Jolly Joyful Keen Kind Lively Loyal Lucid Lucky Lunar Mellow Merry Mild Misty Modest Native Neat Nimble Noble Northern Open Patient Peaceful Placid Plain Polar Polite Proud Quick Quiet Radiant Rapid Ready Rosy Rustic Sandy Scarlet Serene Sharp Shy Silent Silver Simple Sincere Smart Smooth Snowy Solar Solid Southern Spry Stable Starry Steady Still Stormy Sturdy Subtle Sunny Swift Tall Tender Tidy Tranquil True Velvet Vivid Warm Wild Windy Wise Witty Young Zesty'.split(
    ' ',
  );
const nouns =
  'Acorn Anchor Apple Arrow Aspen Badger Bamboo Basil Bay Beacon Bear Beech Birch Bison Bloom Breeze Bridge Brook Canyon Cedar Cherry Cliff Cloud Clover Comet Compass Coral Crane Creek Crow Cypress Daisy Deer Delta Dolphin Dove Dune Eagle Echo Elm Ember Falcon Fern Finch Fjord Forest Fox Garden Gecko Glacier Grove Gull Harbor Hawk Hazel Heron Hill Ibis Island Ivy Jasmine Jay Juniper Kestrel Kite Koala Lagoon Lake Lantern Lark Laurel Lemon Lily Lotus Lynx Magpie Maple Marten Meadow Mint Moon Moss Mountain Nectar Nest Oak Oasis Olive Orchid Osprey Otter Owl Palm Panda Path Pearl Pebble Pelican Pine Plum Poplar Prairie Quail Rain Raven Reed Ridge River Robin Rose Sage Sail Seal Shore Sky Snow Sparrow Spruce Star Stone Stork Summit Swan Thistle Tide Trail Tulip Valley Violet Walnut Wave Willow Wind Wolf Wren'.split(
    ' ',
  );

/** A generated profile: adjective and noun, no full name (50, section 2.10). For incognito and for users without one. */
export function randomProfile(random: RandomSource): Profile {
  return { displayName: randomElement(random, adjectives) + randomElement(random, nouns), fullName: '' };
}

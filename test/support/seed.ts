import fc from 'fast-check';

// `npm test` draws the same cases every time; FANION_FC_SEED draws others. The soaks draw new ones and print their seed.
const seed = Number(process.env.FANION_FC_SEED ?? 20_261_120);
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });

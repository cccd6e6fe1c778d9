declare module '*/lib.mjs' {
  export interface Scenario {
    readonly name: string;
    readonly actors: readonly string[];
  }
  export interface Transcript {
    readonly scenario: string;
    readonly passed: boolean;
  }
  export function runScenario(scenario: Scenario, urls: Readonly<Record<string, string>>): Promise<Transcript>;
}

declare module '*/normal.mjs' {
  export function normalise(transcript: unknown): unknown;
  export function compare(
    golden: unknown,
    got: unknown,
  ): { readonly same: number; readonly total: number; readonly out: { readonly step: string; readonly lines: string[] }[] };
}

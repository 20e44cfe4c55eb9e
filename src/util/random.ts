/**
 * Randomness as it is passed in, so that one seed replays a whole run.
 *
 * Not for secrets: keys, nonces and tokens come from `node:crypto`.
 */

export interface Random {
  /** A number in [0, 1). */
  next(): number;
}

/** The chance of a real process. */
export const systemRandom: Random = { next: () => Math.random() };

/** sfc32 by Chris Doty-Humphrey (PractRand): 128 bits of state, small, fast, and the same on every machine. */
export function seededRandom(seed: number): Random {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = 0x9e3779b9;
  let counter = 1;
  const next = () => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + result) | 0;
    return (result >>> 0) / 2 ** 32;
  };
  // The first outputs still show the seed.
  for (let i = 0; i < 16; i++) next();
  return { next };
}

/** Not chance, but its opposite: numbers that lie as far from all before them as they can (multiples of the golden ratio). */
export function evenlySpread(): Random {
  const step = (Math.sqrt(5) - 1) / 2;
  let last = 0;
  return {
    next() {
      last = (last + step) % 1;
      return last;
    },
  };
}

/** An integer in [min, max], both included. */
export function randomInteger(random: Random, min: number, max: number): number {
  return min + Math.floor(random.next() * (max - min + 1));
}

/** `base` spread evenly over [base * (1 - share), base * (1 + share)). */
export function jitter(random: Random, base: number, share: number): number {
  return base * (1 - share + 2 * share * random.next());
}

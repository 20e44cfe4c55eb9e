/** Reads a whole number between bounds from the command line. */

import { InvalidArgumentError } from "commander";

/** @returns what reads an option's value; it throws InvalidArgumentError, which commander shows, for any other text */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It should be a whole number from ${min} to ${max}.`);
  };
}

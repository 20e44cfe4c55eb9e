/** Query parameters as the generated routes of the real registry read them: once or not at all, and numbers as Go has them. */

import { Type } from "typebox";
import { MalformedParameter } from "./errors.ts";

/** A parameter as it arrives: anything goes here, since values are judged in the contract's own words. */
const Parameter = { type: ["string", "array"], items: { type: "string" } };

export type MeshQuery<Name extends string> = { readonly [Key in Name]?: string | readonly string[] };

/** Unknown parameters are ignored (contract, section 1). */
export function meshQuery<const Name extends string>(names: readonly Name[]) {
  return Type.Unsafe<MeshQuery<Name>>({
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, Parameter])),
  });
}

/**
 * The value of a parameter; undefined when it is absent.
 *
 * @throws MalformedParameter when it is given more than once
 */
export function single<Name extends string>(query: MeshQuery<Name>, name: Name): string | undefined {
  const value = query[name];
  if (value === undefined || typeof value === "string") return value;
  throw new MalformedParameter(name, "multiple values for a parameter that takes one");
}

/** The largest that Go reads into an `int`. */
const INT_MAX = 2 ** 63;

/**
 * `limit` as a whole number, drawn to the nearest bound when it lies outside.
 *
 * @throws MalformedParameter when it is not a whole number, or given more than once
 */
export function clampedLimit(
  query: MeshQuery<"limit">,
  { byDefault, max }: { byDefault: number; max: number },
): number {
  const text = single(query, "limit");
  if (text === undefined) return byDefault;
  if (!/^[+-]?\d+$/.test(text) || Math.abs(Number(text)) >= INT_MAX) {
    throw new MalformedParameter("limit", "it is not a whole number");
  }
  return Math.min(Math.max(Number(text), 1), max);
}

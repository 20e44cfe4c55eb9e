/**
 * Reads JSON bodies. One reader for all faces, so that all have the same bounds.
 *
 * An empty body is no body: the schema decides whether one is needed. Nesting is bounded here, because whoever walks
 * the value later (codec, serializer) does so with recursion. The number of values is bounded before any of them is built:
 * millions of tiny ones in a body of legal size would hold the event loop for seconds, and cost a leader its office.
 */

import type { FastifyInstance } from "fastify";
import { messageOf } from "../util/errors.ts";
import { ApiError, invalidField } from "./api-error.ts";

/** Deeper than any real JSON Schema, far from the end of the stack. */
export const JSON_DEPTH_MAX = 64;

/** More than the largest record has room for in any sensible shape; some tens of milliseconds to build and check. */
export const JSON_VALUES_MAX = 32_768;

/**
 * Makes `app` read bodies of `contentType` as JSON, and no others.
 *
 * @param contentType - `*` reads every body as JSON, whatever it claims to be (contract, section 1)
 */
export function readJsonBodies(app: FastifyInstance, contentType: "application/json" | "*"): void {
  app.removeAllContentTypeParsers();
  if (contentType === "*") {
    // What is no media type at all would be refused before any parser is asked.
    app.addHook("onRequest", async (request) => {
      request.headers = { "content-type": "application/json" };
    });
  }
  app.addContentTypeParser(contentType, { parseAs: "string" }, async (_request: unknown, text: string) =>
    text === "" ? undefined : parseJson(text),
  );
}

/** Makes the routes of `app` take any body, and have no use for it. */
export function ignoreBodies(app: Pick<FastifyInstance, "removeAllContentTypeParsers" | "addContentTypeParser">): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, body, done) => {
    body.resume();
    done(null);
  });
}

/** @throws ApiError INVALID_JSON, INVALID_FIELD */
function parseJson(text: string): unknown {
  if (hasMoreValues(text, JSON_VALUES_MAX)) throw invalidField("body", `has more than ${JSON_VALUES_MAX} values`);
  const value = parse(text);
  const flaw = findFlaw(value, JSON_DEPTH_MAX);
  if (flaw !== undefined) throw invalidField("body", flaw);
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new ApiError({ code: "INVALID_JSON", field: "body", reason: messageOf(thrown) });
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const OPENING_BRACE = 0x7b;

/** Whether a JSON text may hold more than `max` values: each but the first follows a comma or what opens its container. */
function hasMoreValues(text: string, max: number): boolean {
  let values = 1;
  let isInString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) isInString = !isInString;
    else if (isInString) at += character === BACKSLASH ? 1 : 0;
    else if (character === COMMA || character === OPENING_BRACKET || character === OPENING_BRACE) values++;
    if (values > max) return true;
  }
  return false;
}

/** What is wrong with a value whatever it is for, if anything. */
function findFlaw(value: unknown, depthMax: number): string | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (depthMax === 0) return `is nested deeper than ${JSON_DEPTH_MAX}`;
  // As an own property it is harmless; the first copy by assignment would make it a prototype.
  if (Object.hasOwn(value, "__proto__")) return "has a property named __proto__";
  for (const child of Object.values(value)) {
    const flaw = findFlaw(child, depthMax - 1);
    if (flaw !== undefined) return flaw;
  }
  return undefined;
}

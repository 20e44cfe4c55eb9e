/**
 * Reads JSON bodies. One reader for all faces, so that all have the same bounds.
 *
 * An empty body is no body: the schema decides whether one is needed. Nesting is bounded here, because whoever walks
 * the value later (codec, serializer) does so with recursion.
 */

import type { FastifyInstance } from "fastify";
import { messageOf } from "../util/errors.ts";
import { ApiError, invalidField } from "./api-error.ts";

/** Deeper than any real JSON Schema, far from the end of the stack. */
export const JSON_DEPTH_MAX = 64;

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

/** @throws ApiError INVALID_JSON, INVALID_FIELD */
function parseJson(text: string): unknown {
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

/** Holds every JSON answer against the OpenAPI document that the same app publishes. */

import assert from "node:assert/strict";
import { Ajv2020, type AnySchema } from "ajv/dist/2020.js";
import type { FastifyInstance, InjectOptions, LightMyRequestResponse } from "fastify";
import { ErrorBody } from "../../src/api/schemas.ts";

export type Send = (request: InjectOptions) => Promise<LightMyRequestResponse>;

interface Operation {
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema: AnySchema }>> }>>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

export function checkedSend(app: FastifyInstance): Send {
  const check = createAnswerCheck(app.swagger() as unknown as Document);
  return async (request) => {
    const answer = await app.inject(request);
    check(String(request.method ?? "GET"), String(request.url), answer);
    return answer;
  };
}

/** @returns a function that fails when an answer is not what the document promises */
export function createAnswerCheck(document: Document) {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  ajv.addFormat("date-time", (text: string) => !Number.isNaN(Date.parse(text)));
  ajv.addFormat("uri", (text: string) => URL.canParse(text));
  return (method: string, url: string, answer: LightMyRequestResponse): void => {
    const path = url.split("?", 1)[0]!;
    if (path === "/openapi.json" || !String(answer.headers["content-type"]).startsWith("application/json")) return;
    const where = `${method} ${path} ${answer.statusCode}`;
    // A HEAD is described by its GET, and has no body to look at.
    if (method === "HEAD") return assert.equal(answer.body, "", where);
    const schema = schemaOf(document, method, path, answer.statusCode) ?? nativeErrorAt(path, answer.statusCode);
    assert.ok(schema !== undefined, `${where} is not in the document`);
    const body = answer.json();
    assert.ok(ajv.validate(schema, body), `${where}: ${ajv.errorsText()}\n${JSON.stringify(body, null, 2)}`);
  };
}

function schemaOf({ paths }: Document, method: string, path: string, status: number): AnySchema | undefined {
  const template = Object.keys(paths).find((each) => matches(each, path));
  const responses = template === undefined ? undefined : paths[template]?.[method.toLowerCase()]?.responses;
  const response = responses?.[status] ?? responses?.[`${Math.floor(status / 100)}XX`];
  return response?.content?.["application/json"]?.schema;
}

function matches(template: string, path: string): boolean {
  return new RegExp(`^${template.replace(/\{[^}]+\}/g, "[^/]*")}$`).test(path);
}

/** Where there is nothing, the document has nothing to say; errors keep their shape all the same. */
function nativeErrorAt(path: string, status: number): AnySchema | undefined {
  return path.startsWith("/v1") && (status === 404 || status === 405) ? ErrorBody : undefined;
}

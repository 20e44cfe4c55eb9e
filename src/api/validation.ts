/**
 * Checks requests against their route's schema.
 *
 * Bodies are taken as they are: a number in quotes is a wrong type, not a number. Query strings have no types, so there
 * numbers and booleans are read from text. Unknown properties are never removed silently: a schema either admits or
 * refuses them.
 */

import { Ajv, type ErrorObject } from "ajv";
import type { FastifySchemaCompiler, FastifySchemaValidationError } from "fastify";
import type { TSchema } from "typebox";

export interface Invalid {
  readonly field: string;
  readonly reason: string;
}

/** A compiler for `setValidatorCompiler`; one per app, so that nothing is shared between apps. */
export function createValidatorCompiler(): FastifySchemaCompiler<TSchema> {
  const bodies = createAjv({ coerceTypes: false });
  const texts = createAjv({ coerceTypes: true });
  return ({ schema, httpPart }) => (httpPart === "body" ? bodies : texts).compile(schema);
}

function createAjv(options: { coerceTypes: boolean }): Ajv {
  const ajv = new Ajv({ ...options, strict: true, strictTypes: false, useDefaults: false, allowUnionTypes: true });
  ajv.addFormat("uri", isUrl);
  ajv.addFormat("date-time", isDateTime);
  return ajv;
}

/**
 * An absolute URL with a host, so that `host:8080`, where the host would be taken for the scheme, is refused. Blanks and
 * control characters are too, because the WHATWG parser would drop them without a word.
 */
function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\/[^/\s\p{Cc}][^\s\p{Cc}]*$/iu.test(text) && URL.canParse(text);
}

/** RFC 3339, as far as a pattern can tell: it does not know how long February is. */
function isDateTime(text: string): boolean {
  return DATE_TIME.test(text);
}
const DATE_TIME =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]([01]\d|2[0-3])(:[0-5]\d){2}(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

type ValidationError = Pick<ErrorObject, "instancePath" | "keyword" | "params" | "message">;

/**
 * Names the field at fault and says what is wrong with it.
 *
 * Of several errors (a value that may have either of two shapes fails both) the deepest tells most: it belongs to the
 * shape that the sender meant.
 */
export function describeInvalid(errors: readonly FastifySchemaValidationError[], part: string | undefined): Invalid {
  const found = errors.map((error) => describe(error as ValidationError));
  const deepest = found.reduce((best, next) => (depth(next.field) > depth(best.field) ? next : best));
  return { field: deepest.field || (part ?? "body"), reason: deepest.reason };
}

const FORMAT_RULES: Readonly<Record<string, string>> = {
  uri: "must be an absolute URL with a host, such as http://host:8080",
  "date-time": "must be a time as RFC 3339 has it",
};

function describe(error: ValidationError): Invalid {
  const path = pathOf(error.instancePath);
  switch (error.keyword) {
    case "required":
      return { field: join(path, String(error.params.missingProperty)), reason: "is missing" };
    case "additionalProperties":
      return { field: join(path, String(error.params.additionalProperty)), reason: "is not known here" };
    case "propertyNames":
      return { field: join(path, String(error.params.propertyName)), reason: "is not a name that is allowed here" };
    case "enum":
      return { field: path, reason: `must be one of ${(error.params.allowedValues as unknown[]).join(", ")}` };
    case "pattern":
      return { field: path, reason: "has a form, or characters, that are not allowed here" };
    case "minLength":
      return { field: path, reason: "must not be empty" };
    case "maxLength":
      return { field: path, reason: `is longer than ${error.params.limit} characters` };
    case "format":
      return { field: path, reason: FORMAT_RULES[String(error.params.format)] ?? "has a wrong format" };
    case "anyOf":
      return { field: path, reason: "has none of the shapes that are allowed here" };
    default:
      return { field: path, reason: error.message ?? "is not valid" };
  }
}

/** `/capabilities/0/name` as people write it: `capabilities[0].name`. */
function pathOf(instancePath: string): string {
  return instancePath
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : join(path, part)), "");
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function depth(field: string): number {
  return field === "" ? 0 : field.split(/[.[]/).length;
}

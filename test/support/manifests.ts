/**
 * Kubernetes' manifests, checked as an API server would: against the schemas of Kubernetes and of the Prometheus operator.
 *
 * The schemas allow fields that they do not know, and so would a typing error pass. A field that no rule of its schema looked
 * at is therefore refused as well, but for those whose content is free by their nature.
 */

import assert from "node:assert/strict";
import { parseAllDocuments } from "yaml";

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own, and the schema has proved it
  readonly spec: any;
  readonly stringData?: Readonly<Record<string, string>>;
}

type Validate = ((data: unknown) => boolean) & { readonly errors?: unknown };

const kubernetes = (name: string) => schemaIn("kubernetes-models", `IoK8sApi${name}`);
const operator = (name: string) =>
  schemaIn(
    "@kubernetes-models/prometheus-operator",
    `ComGithubPrometheusOperatorPrometheusOperatorPkgApisMonitoringV1${name}`,
  );

const SCHEMAS: Readonly<Record<string, string>> = {
  "v1 Service": kubernetes("CoreV1Service"),
  "v1 ServiceAccount": kubernetes("CoreV1ServiceAccount"),
  "v1 Secret": kubernetes("CoreV1Secret"),
  "apps/v1 StatefulSet": kubernetes("AppsV1StatefulSet"),
  "policy/v1 PodDisruptionBudget": kubernetes("PolicyV1PodDisruptionBudget"),
  "networking.k8s.io/v1 NetworkPolicy": kubernetes("NetworkingV1NetworkPolicy"),
  "monitoring.coreos.com/v1 ServiceMonitor": operator("ServiceMonitor"),
  "monitoring.coreos.com/v1 PrometheusRule": operator("PrometheusRule"),
};

/** One of a package's schemas, compiled; not all packages export theirs by name. */
function schemaIn(packageName: string, schema: string): string {
  return new URL(`_schemas/${schema}.js`, import.meta.resolve(packageName)).href;
}

/** The documents of a file or of a program's output. */
export function readManifests(text: string): Manifest[] {
  return parseAllDocuments(text).flatMap((document) => {
    assert.deepEqual(document.errors, []);
    const value = document.toJS() as Manifest | null;
    return value === null ? [] : [value];
  });
}

/** What an API server would refuse, in words; empty when it would take the manifest. */
export async function problemsOf(manifest: Manifest): Promise<string[]> {
  const kind = `${manifest.apiVersion} ${manifest.kind}`;
  const schema = SCHEMAS[kind];
  if (schema === undefined) return [`no schema for ${kind}`];
  const { validate } = (await import(schema)) as { validate: Validate };
  const watched = new WatchedFields();
  const isValid = validate(watched.watch(manifest));
  const errors = isValid ? [] : [JSON.stringify(validate.errors)];
  return [...errors, ...watched.unseen().map((path) => `${path} is not a field of ${kind}`)];
}

/** An object that remembers which of its fields were looked at, however deep. */
class WatchedFields {
  readonly #seen = new Map<object, { readonly path: string; readonly keys: Set<string> }>();

  watch<Value>(value: Value, path = ""): Value {
    if (typeof value !== "object" || value === null) return value;
    const seen = this.#seen.get(value) ?? { path, keys: new Set<string>() };
    this.#seen.set(value, seen);
    return new Proxy(value, {
      get: (target, key, receiver) => {
        const inner = Reflect.get(target, key, receiver);
        if (typeof key === "symbol") return inner;
        seen.keys.add(key);
        return this.watch(inner, `${path}/${key}`);
      },
    });
  }

  unseen(): string[] {
    return [...this.#seen].flatMap(([value, { path, keys }]) =>
      Object.keys(value)
        .filter((key) => !keys.has(key))
        .map((key) => `${path}/${key}`),
    );
  }
}

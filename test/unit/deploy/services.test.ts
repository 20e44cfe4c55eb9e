/** The examples for HAProxy, nginx and systemd: the programs take them, and they say what our code does. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { EXIT } from "../../../src/cli/errors.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { nginxArguments, nginxConfiguration, withNodes } from "../../support/load-balancer.ts";
import { findProgram, needs } from "../../support/programs.ts";

const DEPLOY = join(import.meta.dirname, "../../../deploy");
const HAPROXY = join(DEPLOY, "haproxy/haproxy.cfg");
const UNIT = join(DEPLOY, "systemd/atoll.service");
const NODES = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"];
/** What `atoll start` takes at most to stop, in seconds (src/cli/commands/start.ts). */
const STOP_SECONDS = 8;

const read = (path: string) => readFileSync(path, "utf8");
const run = (program: string, ...args: string[]) =>
  execFileSync(findProgram(program)!, args, { encoding: "utf8", stdio: "pipe" });

function inFolder<Result>(work: (folder: string) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), "atoll-services-"));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("deploy/haproxy", () => {
  it("is taken by HAProxy, also while the names of nodes lead nowhere", needs("haproxy", "haproxy"), () => {
    run("haproxy", "-c", "-f", HAPROXY);
  });

  it("asks whether a node is ready, and repeats neither what operators do nor calls of agents", () => {
    const text = read(HAPROXY);
    assert.match(text, /http-check send meth GET uri \/ready /);
    assert.match(
      text,
      /acl is_risky path_beg \/v1\/cluster \/v1\/regions \/admin \/proxy\/\n\s*http-request disable-l7-retry if !is_safe\n\s*http-request disable-l7-retry if is_risky/,
    );
    assert.doesNotMatch(text, /retry-on .*(503|all-retryable)/, "a node that sheds load is not asked again at once");
  });
});

describe("deploy/nginx", () => {
  it("is taken by nginx, TLS and all", needs("nginx", "nginx-light"), (test) => {
    const openssl = needs("openssl", "openssl").skip;
    if (openssl !== false) return test.skip(openssl);
    inFolder((folder) => {
      const [key, certificate] = [join(folder, "tls.key"), join(folder, "tls.crt")];
      const subject = ["-subj", "/CN=registry.example.com", "-days", "1", "-nodes"];
      run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", key, "-out", certificate, ...subject);
      const server = withNodes(read(join(DEPLOY, "nginx/atoll.conf")), NODES).replaceAll("/etc/atoll/tls", folder);
      const file = join(folder, "nginx.conf");
      writeFileSync(file, nginxConfiguration(server));
      run("nginx", "-t", ...nginxArguments(file));
    });
  });
});

describe("deploy/systemd", () => {
  const unit = read(UNIT);
  const settings = (name: string) => [...unit.matchAll(new RegExp(`^${name}=(.*)$`, "gm"))].map(([, value]) => value!);

  it("is a unit that systemd takes", needs("systemd-analyze", "systemd"), () => {
    // In a folder of its own: a service of the same name that is installed would be verified as well.
    inFolder((folder) => {
      const file = join(folder, "atoll-example.service");
      writeFileSync(file, unit);
      run("systemd-analyze", "verify", file);
    });
  });

  it("gives a node a configuration that it accepts, by the file that it describes and by itself", () => {
    const described = [...unit.matchAll(/^# {3}([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name!, value!]);
    const own = settings("Environment").flatMap((line) => line.split(" ").map((pair) => pair.split(/=(.*)/)));
    const env = Object.fromEntries([...described, ...own]) as Record<string, string>;
    const secrets = { ENCRYPTION_KEY: "0123456789abcdef", AUTH_TOKEN: "0123456789abcdef" };
    const { node, http } = loadConfig({ env: { ...env, ...secrets }, flags: {}, hostname: "box" }).config;
    assert.deepEqual([node.name, node.region, node.members.length], ["us-east-1", "us-east", 3]);
    assert.deepEqual([node.dataDir, http.metricsPort], [`/var/lib/${settings("StateDirectory")[0]}`, 9090]);
  });

  it("gives it time to hand over, and does not try a wrong configuration again", () => {
    assert.ok(Number.parseInt(settings("TimeoutStopSec")[0]!, 10) > STOP_SECONDS);
    assert.deepEqual(settings("RestartPreventExitStatus"), [String(EXIT.config)]);
  });
});

// Microsoft's own clients, driven by tests/azure_test.py: a list of calls comes in, outcomes go out.
//
// Standard input: {"vault": HOST or null, "credential": "secret"|"certificate", "calls": [[client,
// method, ...arguments], ...]}; client is "keys" or "crypto:KEY[/VERSION]". Bytes are {"hex": ...},
// times {"time": seconds}. The environment is the one that the embedded KMS writes.
const { ClientCertificateCredential, ClientSecretCredential } = require("@azure/identity");
const { CryptographyClient, KeyClient } = require("@azure/keyvault-keys");

const env = process.env;
const url = env.FREEHOLD_AZURE_VAULT_ENDPOINT;
const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
const authority = { authorityHost: env.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true };
const credential =
  input.credential === "certificate"
    ? new ClientCertificateCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID,
                                      env.AZURE_CLIENT_CERTIFICATE_PATH, authority)
    : new ClientSecretCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID,
                                 env.AZURE_CLIENT_SECRET, authority);
const toVault = {
  position: "perCall",
  policy: {
    name: "vault",
    sendRequest(request, next) {
      if (input.vault) request.headers.set("host", input.vault);
      return next(request);
    },
  },
};
const options = {
  disableChallengeResourceVerification: true,
  additionalPolicies: [toVault],
  retryOptions: { maxRetries: 0 },
};

function read(value) {
  if (Array.isArray(value)) return value.map(read);
  if (value === null || typeof value !== "object") return value;
  if ("hex" in value) return Buffer.from(value.hex, "hex");
  if ("time" in value) return new Date(value.time * 1000);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, read(each)]));
}

function write(value) {
  if (value instanceof Uint8Array) return { hex: Buffer.from(value).toString("hex") };
  if (value instanceof Date) return { time: value.getTime() / 1000 };
  if (Array.isArray(value)) return value.map(write);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, write(each)]));
}

const clients = {};
function clientOf(name) {
  clients[name] ??= name === "keys" ? new KeyClient(url, credential, options)
    : new CryptographyClient(`${url}/keys/${name.slice("crypto:".length)}`, credential, options);
  return clients[name];
}

async function call([client, method, ...given]) {
  const returned = clientOf(client)[method](...given.map(read));
  if (method.startsWith("list")) {
    const all = [];
    for await (const each of returned) all.push(each);
    return all;
  }
  const value = await returned;
  return method.startsWith("begin") ? value.pollUntilDone() : value;
}

(async () => {
  const outcomes = [];
  for (const each of input.calls) {
    try {
      outcomes.push({ value: write(await call(each)) ?? null });
    } catch (error) {
      const said = error.details?.error ?? {};
      outcomes.push({ status: error.statusCode ?? null, code: error.code ?? error.name,
                      inner: (said.innererror ?? said.innerError)?.code ?? null, message: String(error.message) });
    }
  }
  console.log(JSON.stringify(outcomes));
})();

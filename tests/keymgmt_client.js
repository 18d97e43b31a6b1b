// Runs `vault` commands by node-vault, as JSON on standard input: [["write", PATH, {...}], ...].
// Prints for each, in order, {"answer": ...} or {"status": ..., "errors": [...]}; goes on after one.
const nodeVault = require("node-vault");

const vault = nodeVault({
  endpoint: process.env.VAULT_ADDR,
  token: process.env.VAULT_TOKEN,
  namespace: process.env.VAULT_NAMESPACE,
});

const run = {
  enable: (path) => vault.mount({ mount_point: path, type: path }),
  write: (path, body) => vault.write(path, body),
  read: (path) => vault.read(path),
  list: (path) => vault.list(path),
  delete: (path) => vault.delete(path),
};

async function main() {
  const results = [];
  for (const [verb, path, body] of JSON.parse(require("fs").readFileSync(0, "utf8"))) {
    try {
      results.push({ answer: (await run[verb](path, body)) || null });
    } catch (error) {
      if (!error.response) throw error;
      results.push({ status: error.response.statusCode, errors: error.response.body.errors });
    }
  }
  console.log(JSON.stringify(results));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

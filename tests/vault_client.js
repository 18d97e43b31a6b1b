// node-vault, the client that most Node programs use, against the embedded KMS.
// Prints what it got as JSON, one line; the certificate comes by NODE_EXTRA_CA_CERTS.
const nodeVault = require("node-vault");

async function main() {
  const vault = nodeVault({ endpoint: process.env.VAULT_ADDR, token: process.env.VAULT_TOKEN });
  await vault.mount({ mount_point: "transit", type: "transit" });
  await vault.enableAuth({ mount_point: "approle", type: "approle" });
  await vault.write("transit/keys/orders", { type: "aes256-gcm96" });
  const plaintext = Buffer.from("a secret").toString("base64");
  const associated_data = Buffer.from("context").toString("base64");
  const encrypted = await vault.write("transit/encrypt/orders", { plaintext, associated_data });
  await vault.write("transit/keys/orders/rotate", {});
  const ciphertext = encrypted.data.ciphertext;
  const decrypted = await vault.write("transit/decrypt/orders", { ciphertext, associated_data });
  const datakey = await vault.write("transit/datakey/plaintext/orders", {});
  let refused = null;
  try {
    await vault.write("transit/decrypt/orders", { ciphertext });
  } catch (error) {
    refused = error.message;
  }
  await vault.addPolicy({
    name: "reader",
    rules: 'path "transit/keys/*" { capabilities = ["read"] }',
  });
  await vault.addApproleRole({ role_name: "app", policies: "reader" });
  const role = await vault.getApproleRoleId({ role_name: "app" });
  const secret = await vault.getApproleRoleSecret({ role_name: "app" });
  const login = await vault.approleLogin({
    role_id: role.data.role_id,
    secret_id: secret.data.secret_id,
  });
  const asApp = nodeVault({ endpoint: process.env.VAULT_ADDR, token: login.auth.client_token });
  const key = await asApp.read("transit/keys/orders");
  let forbidden = null;
  try {
    await asApp.write("transit/encrypt/orders", { plaintext });
  } catch (error) {
    forbidden = error.response.statusCode;
  }
  console.log(
    JSON.stringify({
      ciphertext,
      decrypted: Buffer.from(decrypted.data.plaintext, "base64").toString(),
      datakeyBytes: Buffer.from(datakey.data.plaintext, "base64").length,
      refused,
      latest: key.data.latest_version,
      forbidden,
    })
  );
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

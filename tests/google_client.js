// Drives the embedded KMS with Google's own client for Node, over REST.
//
// node google_client.js https://HOST:PORT CREDENTIALS.json; NODE_EXTRA_CA_CERTS names the authority.
'use strict';
const assert = require('assert');
const crypto = require('crypto');
const {KeyManagementServiceClient} = require('@google-cloud/kms');

const url = new URL(process.argv[2]);
const client = new KeyManagementServiceClient({
  fallback: true,
  apiEndpoint: url.hostname,
  port: Number(url.port),
  keyFilename: process.argv[3],
});
const location = 'projects/customer-project/locations/global';

// CRC-32C, bit by bit.
function crc32c(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; ++i) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

async function refused(promise, words) {
  await assert.rejects(promise, (error) => {
    assert.match(String(error.message) + String(error.statusDetails || ''), words);
    return true;
  });
}

async function keysAndVersions() {
  const [ring] = await client.createKeyRing({parent: location, keyRingId: 'node', keyRing: {}});
  assert.equal(ring.name, location + '/keyRings/node');
  const [key] = await client.createCryptoKey({
    parent: ring.name,
    cryptoKeyId: 'k',
    cryptoKey: {
      purpose: 'ENCRYPT_DECRYPT',
      rotationPeriod: {seconds: 7776000},
      nextRotationTime: {seconds: Math.floor(Date.now() / 1000) + 86400},
      labels: {team: 'orders'},
    },
  });
  assert.equal(key.purpose, 'ENCRYPT_DECRYPT');
  assert.equal(key.primary.state, 'ENABLED');
  assert.equal(Number(key.rotationPeriod.seconds), 7776000);
  assert.equal(key.labels.team, 'orders');
  assert.equal((await client.getCryptoKey({name: key.name}))[0].name, key.name);
  assert.deepEqual((await client.listKeyRings({parent: location}))[0].map((r) => r.name), [ring.name]);
  assert.equal((await client.listCryptoKeys({parent: ring.name}))[0].length, 1);
  await refused(client.getKeyRing({name: location + '/keyRings/none'}), /not found/);
  await refused(
    client.createKeyRing({parent: location, keyRingId: 'node', keyRing: {}}), /already exists/);

  const [two] = await client.createCryptoKeyVersion({parent: key.name, cryptoKeyVersion: {}});
  assert.equal(two.name, key.name + '/cryptoKeyVersions/2');
  const [moved] = await client.updateCryptoKeyPrimaryVersion({
    name: key.name, cryptoKeyVersionId: '2'});
  assert.equal(moved.primary.name, two.name);
  assert.equal((await client.listCryptoKeyVersions({parent: key.name}))[0].length, 2);
  const [changed] = await client.updateCryptoKey({
    cryptoKey: {
      name: key.name,
      rotationPeriod: {seconds: 864000},
      nextRotationTime: {seconds: Math.floor(Date.now() / 1000) + 86400},
    },
    updateMask: {paths: ['rotation_period', 'next_rotation_time']},
  });
  assert.equal(Number(changed.rotationPeriod.seconds), 864000);
  return {ring, key};
}

async function encryptAndDecrypt(key) {
  const plaintext = Buffer.from('plaintext');
  const aad = Buffer.from('{"freehold:purpose":"kek"}');
  const [sealed] = await client.encrypt({
    name: key.name,
    plaintext,
    plaintextCrc32c: {value: crc32c(plaintext)},
    additionalAuthenticatedData: aad,
    additionalAuthenticatedDataCrc32c: {value: crc32c(aad)},
  });
  assert.equal(sealed.name, key.name + '/cryptoKeyVersions/2');
  assert.equal(sealed.verifiedPlaintextCrc32c, true);
  assert.equal(sealed.verifiedAdditionalAuthenticatedDataCrc32c, true);
  assert.equal(Number(sealed.ciphertextCrc32c.value), crc32c(sealed.ciphertext));
  const request = {
    name: key.name,
    ciphertext: sealed.ciphertext,
    ciphertextCrc32c: {value: crc32c(sealed.ciphertext)},
    additionalAuthenticatedData: aad,
  };
  const [opened] = await client.decrypt(request);
  assert.equal(Buffer.from(opened.plaintext).toString(), 'plaintext');
  assert.equal(Number(opened.plaintextCrc32c.value), crc32c(plaintext));
  assert.equal(opened.usedPrimary, true);
  await refused(
    client.decrypt({...request, additionalAuthenticatedData: Buffer.from('x')}),
    /verify that 'name' refers to the correct CryptoKey/);
  await refused(client.decrypt({...request, ciphertextCrc32c: {value: 1}}), /checksum/);
  return request;
}

async function states(key, request) {
  const name = key.name + '/cryptoKeyVersions/2';
  const set = (state) => client.updateCryptoKeyVersion({
    cryptoKeyVersion: {name, state}, updateMask: {paths: ['state']}});
  assert.equal((await set('DISABLED'))[0].state, 'DISABLED');
  await refused(client.decrypt(request), /is not enabled, current state is: DISABLED/);
  assert.equal((await set('ENABLED'))[0].state, 'ENABLED');
  const [doomed] = await client.destroyCryptoKeyVersion({name});
  assert.equal(doomed.state, 'DESTROY_SCHEDULED');
  assert.ok(Number(doomed.destroyTime.seconds) > Date.now() / 1000 + 86400);
  await refused(client.decrypt(request), /current state is: DESTROY_SCHEDULED/);
  assert.equal((await client.restoreCryptoKeyVersion({name}))[0].state, 'DISABLED');
  await set('ENABLED');
  await client.decrypt(request);
}

async function policies(key) {
  const [before] = await client.getIamPolicy({resource: key.name});
  assert.deepEqual(before.bindings, []);
  const member = 'serviceAccount:operator-owner@operator-project.iam.gserviceaccount.com';
  const [after] = await client.setIamPolicy({
    resource: key.name,
    policy: {etag: before.etag, bindings: [
      {role: 'roles/cloudkms.cryptoKeyEncrypterDecrypter', members: [member]}]},
  });
  assert.deepEqual(after.bindings[0].members, [member]);
  await refused(
    client.setIamPolicy({resource: key.name, policy: {etag: before.etag, bindings: []}}),
    /concurrent policy changes/);
  const permissions = ['cloudkms.cryptoKeys.get', 'cloudkms.cryptoKeyVersions.useToDecrypt'];
  const [held] = await client.testIamPermissions({resource: key.name, permissions});
  assert.deepEqual(held.permissions, permissions);
}

async function imports(ring, method) {
  const [job] = await client.createImportJob({
    parent: ring.name,
    importJobId: method,
    importJob: {importMethod: method, protectionLevel: 'SOFTWARE'},
  });
  assert.equal(job.state, 'ACTIVE');
  assert.equal((await client.getImportJob({name: job.name}))[0].publicKey.pem, job.publicKey.pem);
  const [key] = await client.createCryptoKey({
    parent: ring.name,
    cryptoKeyId: 'imported-' + method,
    cryptoKey: {purpose: 'ENCRYPT_DECRYPT', importOnly: true},
    skipInitialVersionCreation: true,
  });
  assert.equal(key.primary, null);
  const material = crypto.randomBytes(32);
  const rsa = (bytes) => crypto.publicEncrypt(
    {key: job.publicKey.pem, padding: crypto.constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256'},
    bytes);
  let wrapped = rsa(material);
  if (method.endsWith('AES_256')) {
    const kek = crypto.randomBytes(32);
    const cipher = crypto.createCipheriv('id-aes256-wrap-pad', kek, Buffer.from('a65959a6', 'hex'));
    wrapped = Buffer.concat([rsa(kek), cipher.update(material), cipher.final()]);
  }
  const [version] = await client.importCryptoKeyVersion({
    parent: key.name,
    algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION',
    importJob: job.name,
    wrappedKey: wrapped,
  });
  assert.equal(version.importJob, job.name);
  await client.updateCryptoKeyPrimaryVersion({name: key.name, cryptoKeyVersionId: '1'});
  const [sealed] = await client.encrypt({name: key.name, plaintext: Buffer.from('x')});
  assert.ok(sealed.ciphertext.length > 0);
  wrapped[wrapped.length - 1] ^= 1;
  await refused(
    client.importCryptoKeyVersion({
      parent: key.name, algorithm: 'GOOGLE_SYMMETRIC_ENCRYPTION', importJob: job.name,
      wrappedKey: wrapped}),
    /unwrapped/);
}

async function main() {
  const {ring, key} = await keysAndVersions();
  const request = await encryptAndDecrypt(key);
  await states(key, request);
  await policies(key);
  await imports(ring, 'RSA_OAEP_3072_SHA256');
  await imports(ring, 'RSA_OAEP_3072_SHA256_AES_256');
  console.log('all good');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

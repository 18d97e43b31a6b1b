// Parses papers as their own tools do. Arguments: a kind and a file; prints JSON, or exits with 1.
const fs = require("fs");

async function main() {
  const [kind, file] = process.argv.slice(2);
  if (kind === "terraform") {
    const { parse } = require("@cdktf/hcl2json");
    console.log(JSON.stringify(await parse(file, fs.readFileSync(file, "utf8"))));
    return;
  }
  const lint = require("cfn-lint");
  const result = lint.validateFile(file);
  // Properties that AWS has added since this linter's list of them was made (2019, 2020).
  const newer = ["Description", "Tags"].map((name) => `Resources > Role > Properties > ${name}`);
  const errors = result.errors.crit
    .concat(result.errors.warn)
    .filter((error) => !newer.includes(error.resource));
  if (errors.length > 0) {
    console.error(JSON.stringify(errors, null, 1));
    process.exit(1);
  }
  console.log("{}");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});

// Owns the step from the executable to the bundle beside it. Where the build left V8's compiled code of that very
// bundle (src/dev/save-code.ts), nothing is parsed and compiled again, which is most of what a command takes to start.
// Invariant: read here and never written; what another Node or another bundle made is refused, by V8 and by its name.

const MAJOR = 24;
if (Number.parseInt(process.versions.node, 10) < MAJOR) {
  process.stderr.write(
    `tasklease: Node.js ${MAJOR} or newer is needed, but this is ${process.versions.node}; run the command itself, which looks for one, or install it from https://nodejs.org\n`,
  );
  process.exit(process.argv[2] === 'run' ? 125 : 69);
}

// Asked for one by one: an import would evaluate every export of theirs.
const { readFileSync } = process.getBuiltinModule('node:fs');
const { createRequire } = process.getBuiltinModule('node:module');
const { constants, Script } = process.getBuiltinModule('node:vm');

/** V8 takes compiled code only under the flags that it was made with, and the agent has its own (launcher.sh). */
const flavour = process.argv[2] === 'agent' ? 'agent' : 'command';
const bundle = `${import.meta.dirname}/bundle.cjs`;
// Pure ASCII, so that each character takes one byte.
const source = readFileSync(bundle, 'latin1');
/** The build ends the bundle with a digest of it. */
const digest = source.slice(-17, -1);

function compiled(): Buffer | undefined {
  try {
    return readFileSync(`${import.meta.dirname}/${flavour}-${digest}.v8`);
  } catch {
    return undefined;
  }
}

const script = new Script(source, {
  filename: bundle,
  cachedData: compiled(),
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
script.runInThisContext()(createRequire(bundle), bundle);

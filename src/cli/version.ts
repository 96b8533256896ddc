// Owns the version of the package, read where npm keeps it; the bundler puts the value in.

import manifest from '../../package.json' with { type: 'json' };

export const version: string = manifest.version;

import { defineConfig } from 'tsup'

export default defineConfig({
  entry: {
    index: 'src/index.ts',
    refresh: 'src/refresh/index.ts',
    oauth: 'src/oauth/index.ts',
    dpop: 'src/dpop/index.ts',
    ky: 'src/ky/index.ts',
    socket: 'src/socket/index.ts',
    limits: 'src/limits/index.ts',
    signals: 'src/signals/index.ts',
    testing: 'src/testing/index.ts',
  },
  tsconfig: 'tsconfig.src.json',
  format: 'esm',
  target: 'es2022',
  platform: 'browser',
  dts: true,
  splitting: true,
  minify: true,
  sourcemap: true,
  clean: true,
  // tsup's own pass through rollup would write the sourceMappingURL twice; the user's bundler shakes the tree anyway.
  treeshake: false,
})

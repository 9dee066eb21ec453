// asciichart ships no types, and is CommonJS without named exports.
declare module 'asciichart' {
  const asciichart: {
    plot: (series: readonly number[], settings?: { height?: number; format?: (value: number) => string }) => string;
  };
  export default asciichart;
}

/** Calls what was registered next, if anything; resolves when that is done. */
export type NextFunction = () => Promise<void>;

/** A handler: it deals with the event, or passes it on with `next()`. */
export type Middleware<C> = (ctx: C, next: NextFunction) => unknown;

/** One middleware that runs all of them, each by the `next` of the one before. */
export function compose<C>(middleware: readonly Middleware<C>[]): Middleware<C> {
  return async (ctx, next) => {
    const run = async (i: number): Promise<void> => {
      const current = middleware[i];
      if (current === undefined) return next();
      let called = false;
      await current(ctx, () => {
        if (called) throw new Error('next() was called twice');
        called = true;
        return run(i + 1);
      });
    };
    return run(0);
  };
}

// Owns what can be done to a request on its way to Vault, and which request a plan strikes. Invariant: a
// request is struck by at most one plan, the oldest that is due; every plan counts the requests that fit it.

export type Fault =
  /** The connection is cut; Vault sees nothing. */
  | { readonly do: 'cut' }
  /** Handed to Vault this much later. */
  | { readonly do: 'delay'; readonly ms: number }
  /** Handed to Vault; its answer is kept until the plan is lifted. */
  | { readonly do: 'hold' }
  /** Neither handed to Vault nor answered until the plan is lifted; then the connection is cut. */
  | { readonly do: 'blackHole' }
  /** Handed to Vault, which carries it out; the connection is reset this much later, done or not. */
  | { readonly do: 'abandon'; readonly ms: number }
  /** Vault carries it out; the connection is reset after so many bytes of the answer, head included. */
  | { readonly do: 'reset'; readonly afterBytes: number }
  /** Vault carries it out; a head that promises the whole answer, half of the body, then the end. */
  | { readonly do: 'halfBody' }
  /** Vault carries it out; its answer comes a few bytes at a time. */
  | { readonly do: 'trickle'; readonly bytes: number; readonly everyMs: number }
  /** The proxy answers in Vault's place; `afterEffect`: once Vault has carried it out. */
  | {
      readonly do: 'answer';
      readonly status: number;
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
      readonly afterEffect?: boolean;
    };

/** Vault carries it out and its answer gets lost. */
export const SWALLOW: Fault = { do: 'reset', afterBytes: 0 };

/** What Vault, or something between, says instead of an answer. */
export const says = (
  status: number,
  error: string,
  headers: Readonly<Record<string, string>> = {},
): Extract<Fault, { do: 'answer' }> => ({
  do: 'answer',
  status,
  body: JSON.stringify({ errors: [error] }),
  headers: { 'content-type': 'application/json', ...headers },
});

/** Which requests a plan strikes. Paths are without /v1/ and without a query. */
export type Which = {
  readonly method?: string;
  readonly path: string | RegExp;
  /** Looked for in the request's body. */
  readonly body?: string;
  /** The first one that is struck, counted from 1 among those that fit; default 1. */
  readonly nth?: number;
  /** How many are struck; default all from there on. */
  readonly times?: number;
};

/** Requests by what they are for. */
export const TOKEN: Which = { path: 'auth/token/create/tasklease' };
export const READ: Which = { path: /^(?:database|pki|ssh)\/|^secret\// };
export const RENEW: Which = { path: 'sys/leases/renew' };
export const REVOKE: Which = { path: 'sys/leases/revoke' };
export const LOOKUP: Which = { path: 'sys/leases/lookup' };
export const REVOKE_TOKEN: Which = { path: 'auth/token/revoke-accessor' };
export const LOOKUP_TOKEN: Which = { path: 'auth/token/lookup-accessor' };
export const SESSION: Which = { path: 'auth/token/renew-self' };
export const LOGIN: Which = { path: 'auth/approle/login' };
export const ANY: Which = { path: /./ };

export type Plan = {
  /** How many requests it has struck. */
  readonly struck: number;
  /** Ends it; what it kept back goes on. */
  lift(): void;
};

export type OpenPlan = Plan & {
  readonly fault: Fault;
  readonly lifted: Promise<void>;
  /** Whether it is due for this request, which it counts when it fits. */
  due(method: string, path: string, body: Buffer): boolean;
};

export type PlanBook = {
  add(which: Which, fault: Fault): Plan;
  /** The plan that strikes this request, if any. */
  take(method: string, path: string, body: Buffer): OpenPlan | undefined;
  liftAll(): void;
};

export const planBook = (): PlanBook => {
  let plans: OpenPlan[] = [];
  const open = (which: Which, fault: Fault): OpenPlan => {
    const { promise: lifted, resolve } = Promise.withResolvers<void>();
    const { nth = 1, times = Number.POSITIVE_INFINITY } = which;
    let fitting = 0;
    let struck = 0;
    const plan: OpenPlan = {
      fault,
      lifted,
      get struck() {
        return struck;
      },
      due(method, path, body) {
        const fits = typeof which.path === 'string' ? which.path === path : which.path.test(path);
        if (!fits || (which.method ?? method) !== method) return false;
        if (which.body !== undefined && !body.includes(which.body)) return false;
        fitting += 1;
        if (fitting < nth || fitting >= nth + times) return false;
        struck += 1;
        return true;
      },
      lift() {
        plans = plans.filter((each) => each !== plan);
        resolve();
      },
    };
    return plan;
  };
  return {
    add(which, fault) {
      const plan = open(which, fault);
      plans.push(plan);
      return plan;
    },
    take: (method, path, body) => plans.find((plan) => plan.due(method, path, body)),
    liftAll() {
      for (const plan of plans) plan.lift();
    },
  };
};

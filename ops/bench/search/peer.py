"""Optuna on the test functions of the benchmark, for ops/bench/search/optuna.ts: one study per line of JSON on stdin,
each evaluation asked for on stdout and answered on stdin, so that the functions exist once."""

import json
import sys

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)

SAMPLERS = {
    "random": lambda seed: optuna.samplers.RandomSampler(seed=seed),
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True),
    "cmaes": lambda seed: optuna.samplers.CmaEsSampler(seed=seed),
}
RUNGS = (1, 3, 9, 27)


def call(**message):
    print(json.dumps(message), flush=True)
    return json.loads(sys.stdin.readline())


def suggest(trial, name, dimension):
    if "log" in dimension:
        return trial.suggest_float(name, *dimension["log"], log=True)
    if "float" in dimension:
        return trial.suggest_float(name, *dimension["float"])
    if "int" in dimension:
        return trial.suggest_int(name, *dimension["int"])
    return trial.suggest_categorical(name, dimension["choice"])


def draw(study, space):
    trial = study.ask()
    return trial, {name: suggest(trial, name, space[name]) for name in space}


def run_trials(study, space, trials):
    for _ in range(trials):
        trial, values = draw(study, space)
        study.tell(trial, call(values=values))


def run_units(study, space, units):
    """Spends units on runs that stop at rungs by successive halving."""
    spent = 0
    while spent < units:
        trial, values = draw(study, space)
        state, value, before = optuna.trial.TrialState.COMPLETE, None, 0
        for rung in RUNGS:
            spent += rung - before
            before = rung
            if spent > units:
                return
            value = call(values=values, units=rung)
            trial.report(value, rung)
            if rung != RUNGS[-1] and trial.should_prune():
                state = optuna.trial.TrialState.PRUNED
                break
        study.tell(trial, value if state == optuna.trial.TrialState.COMPLETE else None, state)


print(json.dumps({"version": optuna.__version__}), flush=True)
for line in sys.stdin:
    order = json.loads(line)
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    made = optuna.create_study(sampler=SAMPLERS[order["sampler"]](order["seed"]), pruner=pruner)
    if "units" in order:
        run_units(made, order["space"], order["units"])
    else:
        run_trials(made, order["space"], order["trials"])
    print(json.dumps({"end": True}), flush=True)

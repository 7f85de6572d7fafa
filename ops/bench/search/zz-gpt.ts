import { askTimes } from '/work/wt/search/ops/bench/search/asks.ts'
console.log(askTimes().filter(f=>/gp|tpe|cma/.test(f.name)).map(f=>f.name+' '+f.value).join('\n'))

import type { Command } from 'commander'
import { verb } from '../verb.ts'
import { showAnalysis } from './analysis.ts'
import { showNotes, writeNote } from './notes.ts'
import { showReport } from './report.ts'
import { compare, interaction, showTests } from './tests.ts'

/** What was learnt in a campaign, and what was written down by the way. */
export const readCommands = (): Command[] => [
  verb('analysis', 'what mattered: importance, slices, contour, curves, Pareto front, noise', showAnalysis)
    .argument('<id>')
    .option(
      '--part <names...>',
      'some of best-so-far importance slices contour curves pareto residuals points',
    )
    .option('--x <name>', 'a parameter of the contour')
    .option('--y <name>', 'the other one')
    .option('--limit <n>', 'how many points'),
  verb(
    'report',
    'the answer first, then figures, tables, caveats and how to reproduce each number',
    showReport,
  )
    .argument('<id>')
    .option('--out <dir>', 'write report.md and its figures there instead of printing'),
  verb('tests', 'its sequential tests, as they stand', showTests).argument('<id>'),
  verb('interaction', 'which value is best, and whether it depends on another parameter', interaction)
    .argument('<id>')
    .requiredOption('--best <name>', 'the parameter to choose')
    .requiredOption('--by <name>', 'the parameter that it may depend on'),
  verb('compare', 'two of its experiments, on the seeds that both have', compare)
    .argument('<id>')
    .argument('<a>')
    .argument('<b>'),
  verb('notes', 'what its agents and owner wrote down', showNotes).argument('<id>'),
  verb('note', 'write down what was learnt', writeNote)
    .argument('<id>')
    .option('--kind <kind>', 'insight, hypothesis or decision', 'insight')
    .requiredOption('--text <text>', 'at most 4,000 characters')
    .option('--evidence <ids...>', 'results and experiments that it rests on'),
]

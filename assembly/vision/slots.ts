// The data files, in the manifest's order, and behind them the weights to evaluate.

export const TRAIN_SLOT: u32 = 1
export const VAL_SLOT: u32 = 2
export const WEIGHTS_SLOT: u32 = 3
export const SLOTS: u32 = 4

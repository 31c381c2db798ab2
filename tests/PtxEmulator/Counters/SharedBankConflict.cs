namespace PtxEmulator;

/// <summary>An instruction whose shared-memory accesses had bank conflicts.</summary>
/// <param name="Line">The line in the PTX text, counted from 1.</param>
/// <param name="Instruction">The text of the instruction.</param>
/// <param name="Executions">The number of executions by a warp.</param>
/// <param name="ExtraWavefronts">Passes over the banks beyond those that the access width requires.</param>
public sealed record SharedBankConflict(int Line, string Instruction, long Executions, long ExtraWavefronts);

namespace PtxEmulator;

/// <summary>An instruction whose shared-memory accesses collided in the banks.</summary>
/// <param name="Line">Its line in the PTX text, from 1.</param>
/// <param name="Instruction">Its text.</param>
/// <param name="Executions">How often a warp executed it.</param>
/// <param name="ExtraWavefronts">Passes over the banks beyond those that the access's width needs.</param>
public sealed record SharedBankConflict(int Line, string Instruction, long Executions, long ExtraWavefronts);

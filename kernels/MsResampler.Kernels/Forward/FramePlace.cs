namespace MsResampler.Kernels.Forward;

/// <summary>The place of a frame in a batch.</summary>
/// <param name="Operands">The operands of its grid.</param>
/// <param name="FirstRow">Its first patch among those of all frames.</param>
/// <param name="FirstAttended">Its first row of attention.</param>
internal readonly record struct FramePlace(GridOperands Operands, int FirstRow, int FirstAttended);

namespace MsResampler.Cpu;

/// <summary>What the operands of a grid depend on besides the model.</summary>
/// <param name="Grid">The patch grid.</param>
/// <param name="Strategies">For frames of a group of several frames, the strategies of the group; null for an image,
/// whose strategies depend on its grid.</param>
internal readonly record struct GridKey(PatchGrid Grid, GroupStrategies? Strategies = null);

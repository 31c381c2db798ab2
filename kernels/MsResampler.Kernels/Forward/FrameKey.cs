namespace MsResampler.Kernels.Forward;

/// <summary>What the offsets of a frame depend on (<see cref="Attention.FrameOffset"/>).</summary>
/// <param name="Grid">The frame's patch grid.</param>
/// <param name="TemporalId">Its temporal id; −1 if it has none, or if the keys of the model have no positions in
/// time.</param>
internal readonly record struct FrameKey(PatchGrid Grid, int TemporalId);

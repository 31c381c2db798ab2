namespace MsResampler.Kernels.Forward;

/// <summary>The parts of a forward pass that differ between calls for the same batch.</summary>
/// <param name="Target">The destination of the tokens.</param>
/// <param name="Note">Where an overflow is noted.</param>
/// <param name="FirstToken">The number that the note uses for the first token.</param>
internal readonly record struct PassOptions(TokenTarget Target, DeviceView Note, int FirstToken);

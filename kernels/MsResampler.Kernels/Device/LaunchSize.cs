namespace MsResampler.Kernels.Device;

/// <summary>The blocks and threads of a launch.</summary>
/// <param name="GridX">Blocks along x.</param>
/// <param name="GridY">Blocks along y, at most 65535.</param>
/// <param name="BlockSize">Threads of a block.</param>
/// <param name="DynamicSharedBytes">Shared memory in addition to what the kernel declares.</param>
internal readonly record struct LaunchSize(int GridX, int GridY, int BlockSize, int DynamicSharedBytes = 0);

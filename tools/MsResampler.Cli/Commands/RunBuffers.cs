namespace MsResampler.Cli.Commands;

/// <summary>Memory that all chunks of a run reuse.</summary>
internal sealed class RunBuffers
{
    private float[] _features = [];
    private float[] _tokens = [];

    public Memory<float> Features(int count) => AtLeast(ref _features, count);

    public Memory<float> Tokens(int count) => AtLeast(ref _tokens, count);

    private static Memory<float> AtLeast(ref float[] buffer, int count)
    {
        if (buffer.Length < count)
            buffer = GC.AllocateUninitializedArray<float>(count);
        return buffer.AsMemory(0, count);
    }
}

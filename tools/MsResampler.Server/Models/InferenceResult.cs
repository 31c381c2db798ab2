namespace MsResampler.Server.Models;

/// <summary>The answer to a request, in float32. Disposal returns its memory: write it first.</summary>
internal sealed class InferenceResult : IDisposable
{
    /// <summary>The tokens, [B, M, L].</summary>
    public required ReadOnlyMemory<float> Tokens { get; init; }

    /// <summary>The weights of the gate, [B, M, S, R]; empty if they were not asked for.</summary>
    public ReadOnlyMemory<float> Gate { get; init; }

    /// <summary>B, the number of images or of groups.</summary>
    public required int GroupCount { get; init; }

    /// <summary>Pooled arrays behind the values.</summary>
    public IDisposable? Buffers { get; init; }

    public void Dispose() => Buffers?.Dispose();
}

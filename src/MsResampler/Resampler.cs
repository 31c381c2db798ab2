using MsResampler.Model;

namespace MsResampler;

/// <summary>A loaded model that turns patch features into visual tokens.</summary>
public sealed class Resampler : IDisposable
{
    private Resampler()
    {
    }

    /// <summary>Loads a model folder (config.json and a safetensors checkpoint) and prepares it to run.</summary>
    public static Resampler Load(string folder, ResamplerOptions? options = null) => throw new NotImplementedException();

    /// <summary>Prepares an opened model to run; the model is not kept and may be disposed afterwards.</summary>
    public static Resampler Load(ResamplerModel model, ResamplerOptions? options = null) => throw new NotImplementedException();

    /// <summary>The model's configuration.</summary>
    public ResamplerConfig Config => throw new NotImplementedException();

    /// <summary>Unknown configuration fields, one sentence each.</summary>
    public IReadOnlyList<string> Warnings => throw new NotImplementedException();

    /// <summary>The threads this instance computes with.</summary>
    public int ThreadCount => throw new NotImplementedException();

    /// <summary>What computes, in words: "cpu, avx512, 8 threads".</summary>
    public string Description => throw new NotImplementedException();

    /// <summary>Computes the tokens of a ragged batch.</summary>
    /// <param name="features">The images' features one after another, each [H·W, C] row-major.</param>
    /// <param name="grids">One patch grid per image.</param>
    /// <param name="tokens">Receives [B, M, L] row-major.</param>
    /// <param name="cancellationToken">Checked between the stages of each image.</param>
    public void Resample(ReadOnlySpan<float> features, ReadOnlySpan<PatchGrid> grids, Span<float> tokens,
        CancellationToken cancellationToken = default) => throw new NotImplementedException();

    /// <summary>Computes attention and gate weights of one image.</summary>
    public Explanation Explain(ReadOnlySpan<float> features, PatchGrid grid) => throw new NotImplementedException();

    /// <inheritdoc/>
    public void Dispose() => throw new NotImplementedException();
}

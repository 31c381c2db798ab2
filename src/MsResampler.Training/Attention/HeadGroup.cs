namespace MsResampler.Training.Attention;

/// <summary>The operands of one head of one scope for one group of frames, apart from those of its frames.</summary>
/// <param name="Outputs">The attended values, [M, d] in rows of <paramref name="Stride"/> floats. The forward pass
/// writes them; the backward pass reads them.</param>
/// <param name="Stride">Floats between rows of outputs and of their gradients.</param>
/// <param name="Maxima">The largest logit of each query in base 2, [M], next to each other. The forward pass writes
/// it; the backward pass reads it.</param>
/// <param name="Totals">The sum of the weights of each query relative to that maximum, [M], like it.</param>
internal readonly unsafe record struct HeadGroup(nint Outputs, int Stride, nint Maxima, nint Totals)
{
    /// <summary>The learned log sigma of the head (rows, columns), 2 floats; 0 if the configured sigma applies or the
    /// scope has none.</summary>
    public nint LogSigma { get; init; }

    /// <summary>The gradient of the outputs, like them. The backward pass reads it.</summary>
    public nint OutputGradients { get; init; }

    /// <summary>Receives the gradient of <see cref="LogSigma"/>, 2 floats. It is overwritten by the backward pass. 0
    /// if it is not needed.</summary>
    public nint SigmaGradients { get; init; }
}

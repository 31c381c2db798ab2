using ILGPU;

namespace MsResampler.Kernels.Attention;

/// <summary>The effect of a scope on logits.</summary>
internal interface IScopeMask
{
    /// <summary>Whether the scope leaves all logits unchanged.</summary>
    static abstract bool IsEmpty { get; }

    /// <summary>Masks a logit of the lane's row g.</summary>
    /// <param name="scope">The scopes of the lane's queries.</param>
    /// <param name="bias">The bias tables.</param>
    /// <param name="logit">The logit.</param>
    /// <param name="place">The place of the key.</param>
    static abstract float Upper(LaneScope scope, ArrayView<float> bias, float logit, uint place);

    /// <summary>Masks a logit of the lane's row g+8.</summary>
    /// <inheritdoc cref="Upper"/>
    static abstract float Lower(LaneScope scope, ArrayView<float> bias, float logit, uint place);
}

/// <summary>Every query sees every key.</summary>
internal readonly struct NoMask : IScopeMask
{
    public static bool IsEmpty => true;

    public static float Upper(LaneScope scope, ArrayView<float> bias, float logit, uint place) => logit;

    public static float Lower(LaneScope scope, ArrayView<float> bias, float logit, uint place) => logit;
}

/// <summary>A query sees the keys in its window.</summary>
internal readonly struct WindowMask : IScopeMask
{
    public static bool IsEmpty => false;

    public static float Upper(LaneScope scope, ArrayView<float> bias, float logit, uint place)
        => scope.MaskUpper(logit, place);

    public static float Lower(LaneScope scope, ArrayView<float> bias, float logit, uint place)
        => scope.MaskLower(logit, place);
}

/// <summary>The bias tables contain the scope; a key outside the window has the bias −∞.</summary>
internal readonly struct BiasMask : IScopeMask
{
    public static bool IsEmpty => false;

    public static float Upper(LaneScope scope, ArrayView<float> bias, float logit, uint place)
        => scope.BiasUpper(bias, logit, place);

    public static float Lower(LaneScope scope, ArrayView<float> bias, float logit, uint place)
        => scope.BiasLower(bias, logit, place);
}

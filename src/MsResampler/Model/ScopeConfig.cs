namespace MsResampler.Model;

/// <summary>The spatial scope prior of one branch.</summary>
public enum ScopePrior
{
    /// <summary>Every query attends to every patch.</summary>
    None,

    /// <summary>A query attends to the patches of a rectangle around its anchor.</summary>
    Window,

    /// <summary>Logits decrease with the squared distance from the anchor. A window may limit the patches.</summary>
    Gaussian,
}

/// <summary>The treatment of windows that extend beyond the patch grid.</summary>
public enum WindowBorder
{
    /// <summary>The window is cut at the edge of the grid; queries near the edge attend to fewer patches.</summary>
    Clip,

    /// <summary>The window is moved inside the grid; every query attends to the same number of patches.</summary>
    Shift,
}

/// <summary>The unit of a scope's window and sigma.</summary>
public enum ScopeUnits
{
    /// <summary>Patches.</summary>
    Patches,

    /// <summary>Fractions of the image's patch grid, so that one model serves every resolution.</summary>
    Fraction,
}

/// <summary>One entry of <c>scopes</c> in config.json.</summary>
public sealed record ScopeConfig
{
    /// <summary>The name of the scope, for display.</summary>
    public required string Name { get; init; }

    /// <summary>The kind of prior.</summary>
    public required ScopePrior Prior { get; init; }

    /// <summary>The window in <see cref="Units"/>, in whole numbers if the unit is patches; null if queries attend
    /// to every patch.</summary>
    public AxisPair? Window { get; init; }

    /// <summary>The treatment of windows that extend beyond the patch grid.</summary>
    public WindowBorder Border { get; init; } = WindowBorder.Clip;

    /// <summary>The standard deviation of a Gaussian prior in <see cref="Units"/>; null for other priors. A learned
    /// <c>log_sigma</c> in the checkpoint replaces it.</summary>
    public AxisPair? Sigma { get; init; }

    /// <summary>The unit of <see cref="Window"/> and <see cref="Sigma"/>.</summary>
    public ScopeUnits Units { get; init; } = ScopeUnits.Patches;
}

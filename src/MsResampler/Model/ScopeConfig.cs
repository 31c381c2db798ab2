namespace MsResampler.Model;

/// <summary>The spatial scope prior of one branch.</summary>
public enum ScopePrior
{
    /// <summary>Every query attends to every patch.</summary>
    None,

    /// <summary>A query attends to the patches of a rectangle around its anchor.</summary>
    Window,

    /// <summary>Logits fall off with the squared distance from the anchor; a window may cut the tail.</summary>
    Gaussian,
}

/// <summary>What happens to a window that reaches past the edge of the patch grid.</summary>
public enum WindowBorder
{
    /// <summary>It is cut: queries at the edge see fewer patches.</summary>
    Clip,

    /// <summary>It is moved inside: every query sees the same number of patches.</summary>
    Shift,
}

/// <summary>The unit of a scope's window and sigma.</summary>
public enum ScopeUnits
{
    /// <summary>Patches.</summary>
    Patches,

    /// <summary>Fractions of the image's own patch grid, so that one model serves every resolution.</summary>
    Fraction,
}

/// <summary>One entry of <c>scopes</c> in config.json.</summary>
public sealed record ScopeConfig
{
    /// <summary>The scope's name, for people.</summary>
    public required string Name { get; init; }

    /// <summary>The kind of prior.</summary>
    public required ScopePrior Prior { get; init; }

    /// <summary>The window in <see cref="Units"/>, or null where the scope sees every patch. Whole numbers when the
    /// unit is patches.</summary>
    public AxisPair? Window { get; init; }

    /// <summary>What happens at the grid's edge.</summary>
    public WindowBorder Border { get; init; } = WindowBorder.Clip;

    /// <summary>The standard deviation of a Gaussian prior in <see cref="Units"/>; null for other priors. A learned
    /// <c>log_sigma</c> in the checkpoint replaces it.</summary>
    public AxisPair? Sigma { get; init; }

    /// <summary>The unit of <see cref="Window"/> and <see cref="Sigma"/>.</summary>
    public ScopeUnits Units { get; init; } = ScopeUnits.Patches;
}

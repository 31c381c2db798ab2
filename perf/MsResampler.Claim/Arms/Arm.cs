using MsResampler.Model;

namespace MsResampler.Claim.Arms;

/// <summary>One of the compared architectures.</summary>
/// <param name="Name">The name in files and on the command line.</param>
/// <param name="Title">The name in tables.</param>
/// <param name="Description">What it is, for the protocol.</param>
/// <param name="Width">D, or the width of the layer before the mean.</param>
/// <param name="Cost">What it costs.</param>
/// <param name="Create">Creates the model from a seed.</param>
internal sealed record Arm(string Name, string Title, string Description, int Width, ArmCost Cost,
    Func<ulong, TokenModel> Create)
{
    /// <summary>L, the size of a token in every arm.</summary>
    public const int TokenSize = 64;

    /// <summary>The grid of queries of every arm.</summary>
    public static QueryGrid Queries { get; } = new(3, 3);

    /// <summary>The values of the tokens of a scene.</summary>
    public static int TokenFloats => Queries.QueryCount * TokenSize;

    /// <summary>The trained model with windows and sigmas in patches in place of fractions, equal at scale 1; null if
    /// the arm has none.</summary>
    public Func<TokenModel, TokenModel>? InPatches { get; init; }

    /// <summary>The names of the scopes, in order.</summary>
    public IReadOnlyList<string> ScopeNames { get; init; } = [];

    /// <summary>Whether the model is defined for scale 1 alone.</summary>
    public bool IsSizeFixed { get; init; }
}

using System.Text.Json;

namespace MsResampler.Model;

/// <summary>Reads the scopes that a model of one scope receives: the fields <c>scopes</c>, <c>gate</c>,
/// <c>share_queries</c> and <c>share_kv</c> of a config.json and, optionally, <c>query_grid</c>. All problems are
/// collected and reported together.</summary>
public static class ScopesReader
{
    /// <summary>Parses the fields.</summary>
    /// <returns>The model's configuration with the new scopes. Without <c>query_grid</c> it keeps the model's
    /// grid.</returns>
    /// <param name="utf8Json">The file's bytes; a byte order mark is skipped.</param>
    /// <param name="source">The name of the file in error messages.</param>
    /// <param name="config">The configuration of the model.</param>
    /// <param name="warnings">Receives one sentence per unknown field.</param>
    /// <exception cref="InvalidModelException">The model has several scopes; or a field is missing or wrong; all of
    /// them are named.</exception>
    public static ResamplerConfig Read(ReadOnlyMemory<byte> utf8Json, string source, ResamplerConfig config,
        ICollection<string> warnings)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(warnings);
        if (config.Scopes.Count != 1)
        {
            throw new InvalidModelException(source, ["expected a model with one scope, whose attention every new " +
                $"scope receives, found {config.Scopes.Count} scopes"]);
        }

        return ConfigReader.Parse(utf8Json, source, (root, problems) => ReadRoot(root, config, problems, warnings));
    }

    /// <summary>What is expected in place of another query grid, or null if the model may have it.</summary>
    internal static string? ProblemOf(ResamplerConfig config, QueryGrid grid) => grid == config.QueryGrid ? null
        : (long)grid.Rows * grid.Columns != config.QueryGrid.QueryCount
            ? $"{config.QueryGrid.QueryCount} queries, as many as the model has"
        : config.PositionEmbedding.IsStored
            ? $"{config.QueryGrid}, the grid of the table pos_embed"
        : config.PositionEmbedding.Queries == PositionEmbeddingType.SinCos2D
            ? $"{config.QueryGrid}, the grid of the positions that the queries were trained with" : null;

    private static ResamplerConfig ReadRoot(JsonElement root, ResamplerConfig config, List<string> problems,
        ICollection<string> warnings)
    {
        JsonFields fields = new(root, "", problems, warnings);
        List<ScopeConfig> scopes = ConfigReader.ReadScopes(fields, config.HiddenSize);
        QueryGrid grid = fields.Has("query_grid") ? ConfigReader.ReadQueryGrid(fields) : config.QueryGrid;
        if (problems.Count == 0 && ProblemOf(config, grid) is { } problem)
            fields.Problem("query_grid", problem, grid.ToString());
        GateConfig? gate = ConfigReader.ReadGate(fields, scopes.Count);
        long gateInputSize = (long)scopes.Count * config.HiddenSize;
        if (gate is not null && gate.HiddenSize * gateInputSize > Array.MaxLength)
            fields.Problem("gate.hidden_size", $"at most {Array.MaxLength / gateInputSize} for {scopes.Count} scopes " +
                $"of hidden_size {config.HiddenSize}", $"{gate.HiddenSize}");
        config = config with
        {
            Scopes = scopes,
            QueryGrid = grid,
            Gate = gate,
            ShareQueries = fields.Flag("share_queries"),
            ShareKeyValues = fields.Flag("share_kv"),
        };
        fields.WarnOfUnknown();
        return config;
    }
}

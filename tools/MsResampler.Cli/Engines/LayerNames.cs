namespace MsResampler.Cli.Engines;

/// <summary>The names of <see cref="ModelLayers"/> in <c>--int8-layers</c>.</summary>
internal static class LayerNames
{
    private const string All = "all";
    private const string None = "none";

    private static readonly (string Name, ModelLayers Layer)[] s_layers =
    [
        ("kv_proj", ModelLayers.KeyValueInput), ("k_proj", ModelLayers.Keys), ("v_proj", ModelLayers.Values),
        ("out_proj", ModelLayers.Outputs), ("gate", ModelLayers.Gate), ("proj", ModelLayers.Projection),
        ("attention", ModelLayers.Attention),
    ];

    /// <summary>The expected values, for messages.</summary>
    public static string Expected { get; }
        = $"{All}, {None}, or some of {string.Join(", ", s_layers.Select(layer => layer.Name))} separated by commas";

    /// <summary>The names of layers separated by commas, or "all" or "none".</summary>
    public static string Of(ModelLayers layers) => layers switch
    {
        ModelLayers.All => All,
        ModelLayers.None => None,
        _ => string.Join(',', s_layers.Where(layer => layers.HasFlag(layer.Layer)).Select(layer => layer.Name)),
    };

    /// <summary>Reads names separated by commas, or "all" or "none".</summary>
    /// <returns>The layers; null if a name is unknown.</returns>
    public static ModelLayers? Parse(string text)
    {
        text = text.Trim();
        if (text is All or None)
            return text == All ? ModelLayers.All : ModelLayers.None;
        ModelLayers layers = ModelLayers.None;
        foreach (string name in text.Split(',', StringSplitOptions.TrimEntries))
        {
            ModelLayers layer = s_layers.FirstOrDefault(layer => layer.Name == name).Layer;
            if (layer == ModelLayers.None)
                return null;
            layers |= layer;
        }

        return layers;
    }
}

namespace MsResampler.Scenes;

/// <summary>The trained model of the demo and its reader, which are built into this program.</summary>
internal static class DemoModel
{
    private const string ConfigName = "config.json";
    private const string WeightsName = "model.safetensors";

    /// <summary>The configuration: C is the size of a patch of a <see cref="ScenePicture"/>.</summary>
    public static byte[] ReadConfig() => Read(ConfigName);

    /// <summary>The weights, a safetensors file.</summary>
    public static byte[] ReadWeights() => Read(WeightsName);

    /// <summary>The network that answers from the tokens of the model.</summary>
    public static Reader LoadReader() => ReaderFile.Load(Read(ReaderFile.Name));

    /// <summary>Opens one of the built-in files.</summary>
    public static Stream Open(string name) => typeof(DemoModel).Assembly.GetManifestResourceStream(name)
        ?? throw new InvalidDataException($"{name}: expected this file in the program, found none");

    private static byte[] Read(string name)
    {
        using Stream file = Open(name);
        byte[] content = new byte[file.Length];
        file.ReadExactly(content);
        return content;
    }
}

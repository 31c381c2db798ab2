using MsResampler.Vision;

namespace MsResampler.Server.Hosting.Configuration;

/// <summary>Checks settings against each other and against the files that they name.</summary>
internal static class SettingsCheck
{
    /// <summary>Checks all settings.</summary>
    /// <exception cref="SettingsException">The server cannot start with them.</exception>
    public static void Check(SettingsReader reader, bool hasEndpoints)
    {
        ServerSettings settings = reader.Settings;
        if (settings.Models.Count == 0)
        {
            throw new SettingsException("expected a model, found none; add --model FOLDER " +
                "(see msresampler-server --help)");
        }

        if (!hasEndpoints && settings is { Http: < 0, Grpc: < 0 })
            throw new SettingsException($"{reader.Describe(nameof(settings.Grpc))}: expected a port, found -1 for " +
                "REST and for gRPC; leave one of them out");
        if (!hasEndpoints && settings.Http == settings.Grpc && settings.Http > 0)
            throw new SettingsException($"{reader.Describe(nameof(settings.Grpc))}: expected another port than that " +
                $"of REST, found {settings.Grpc} for both; without TLS a port has one version of HTTP");
        foreach ((string name, ModelSettings model) in settings.Models)
            Check(model, key => reader.Describe(nameof(settings.Models), name, key));
    }

    private static void Check(ModelSettings model, Func<string, string> describe)
    {
        string path = describe(nameof(model.Path));
        if (model.Path.Length == 0)
            throw new SettingsException($"{path}: expected the folder or file of a model, found none");
        if (!Directory.Exists(model.Path) && !File.Exists(model.Path))
            throw new SettingsException($"{path}: {model.Path}: this model does not exist; msresampler init makes one");
        if (HasExtension(model.Path, ".onnx"))
            throw new SettingsException($"{path}: {model.Path}: expected a resampler, found a name that ends in " +
                ".onnx; a vision encoder is given with --encoder");
        if (model.Encoder is { } encoder)
        {
            string option = describe(nameof(model.Encoder));
            if (Directory.Exists(encoder))
                throw new SettingsException($"{option}: {encoder}: expected the .onnx file of an encoder, found a " +
                    "folder");
            if (!File.Exists(encoder))
                throw new SettingsException($"{option}: {encoder}: this encoder does not exist");
        }

        if (model.Preprocessing is { } preprocessing)
        {
            string option = describe(nameof(model.Preprocessing));
            if (model.Encoder is null)
                throw new SettingsException($"{option}: expected an encoder, which prepares pictures so, found none; " +
                    "add --encoder");
            if (ImagePreprocessing.Preset(preprocessing) is null && !System.IO.Path.Exists(preprocessing))
                throw new SettingsException($"{option}: expected {ImagePreprocessing.PresetNames}, or the path of a " +
                    $"preprocessor_config.json, found '{preprocessing}'; there is no file of this name");
        }

        if (model is { Backend: "cpu", Device: { } device })
            throw new SettingsException($"{describe(nameof(model.Device))}: expected a model on a GPU, found backend " +
                $"cpu and device {device}; leave one of them out");
        if (model is { Backend: "cuda", Precision: "int8" })
            throw new SettingsException($"{describe(nameof(model.Precision))}: int8 needs the CPU, found backend " +
                "cuda; leave one of them out");
    }

    private static bool HasExtension(string path, string extension)
        => System.IO.Path.GetExtension(path).Equals(extension, StringComparison.OrdinalIgnoreCase);
}

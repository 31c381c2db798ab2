using Microsoft.Win32.SafeHandles;
using MsResampler.Safetensors;

namespace MsResampler.Cli.Output;

/// <summary>A model folder that a command writes.</summary>
internal static class NewModel
{
    private const string ConfigName = "config.json";
    private const string WeightsName = "model.safetensors";
    private const string IndexName = "model.safetensors.index.json";

    private static readonly string[] s_names = [ConfigName, WeightsName];

    /// <summary>Checks that the weights do not replace an input.</summary>
    /// <exception cref="InputException">They would.</exception>
    public static void CheckWeights(string folder, Inputs inputs) => inputs.Check(Path.Combine(folder, WeightsName));

    /// <summary>Checks that neither the configuration nor the weights replace an input.</summary>
    /// <exception cref="InputException">One of them would.</exception>
    public static void Check(string folder, Inputs inputs)
    {
        foreach (string name in s_names)
            inputs.Check(Path.Combine(folder, name));
    }

    /// <summary>Checks that the folder holds no model that would be replaced without <paramref name="force"/>.
    /// </summary>
    /// <exception cref="InputException">It does, or the path or a file of the model cannot be written.</exception>
    public static void RefuseToOverwrite(string folder, bool force)
    {
        if (File.Exists(folder))
            throw new InputException($"{folder}: this is a file; --out expects a folder");
        if (File.Exists(Path.Combine(folder, IndexName)))
            throw new InputException($"{folder}: the folder holds a sharded model ({IndexName}), which would take " +
                "precedence over the new one; choose another folder");
        foreach (string name in s_names)
        {
            if (!force && File.Exists(Path.Combine(folder, name)))
                throw new InputException($"{folder}: the folder already holds a model ({name}); --force replaces it");
            OutputFile.Check(Path.Combine(folder, name));
        }
    }

    /// <summary>Creates the folder and writes the model into it. A replaced model keeps its owner. A folder that is new
    /// is removed if the writing fails.</summary>
    public static void Write(string folder, Action write)
    {
        (string Path, FileStatus? Status)[] replaced = [.. s_names.Select(name => Path.Combine(folder, name))
            .Select(path => (path, FileStatus.Of(path)))];
        using (OutputFolder output = new(folder, "--out", new Inputs()))
        {
            write();
            output.Commit();
        }

        foreach ((string path, FileStatus? status) in replaced)
        {
            using SafeFileHandle file = File.OpenHandle(path);
            status?.GiveOwnerTo(file);
        }
    }

    /// <summary>The number of parameters of a model that was written.</summary>
    public static long ParameterCount(string folder)
    {
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(folder);
        return checkpoint.Tensors.Where(tensor => !IntegerTypes.IsScaleName(tensor.Name))
            .Sum(tensor => tensor.ElementCount);
    }

    /// <summary>The scopes and queries of a model, such as "3 scopes, 12x12 queries".</summary>
    public static string Describe(ResamplerConfig config)
        => $"{config.Scopes.Count} scope{(config.Scopes.Count == 1 ? "" : "s")}, {config.QueryGrid} queries";
}

using System.Globalization;
using MsResampler.Safetensors;
using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>Features in a safetensors file: one tensor <c>features</c> for images of one size, or
/// <c>features.0</c>, <c>features.1</c>, … for images with grids of their own. Other tensors are left
/// alone.</summary>
internal sealed class SafetensorsFeatures : IFeatureSource
{
    private const string Name = "features";

    private readonly SafetensorsCheckpoint _checkpoint;
    private readonly TensorInfo[] _tensors;
    private readonly PatchGrid[] _grids;

    private SafetensorsFeatures(SafetensorsCheckpoint checkpoint)
    {
        _checkpoint = checkpoint;
        if (checkpoint.Find(Name) is { } batch)
        {
            if (checkpoint.Tensors.Any(tensor =>
                tensor.Name.StartsWith(Name + ".", StringComparison.Ordinal)))
                throw new InputException($"{checkpoint.SourcePath}: holds both '{Name}' and '{Name}.N'; " +
                    "keep one of them");
            FeatureShape shape = FeatureFile.ReadShape($"{checkpoint.SourcePath}: tensor '{Name}'",
                batch.Shape, allowBatch: true);
            _tensors = [batch];
            _grids = [.. Enumerable.Repeat(shape.Grid, shape.ImageCount)];
            ChannelCount = shape.ChannelCount;
            return;
        }

        _tensors = FindNumbered(checkpoint);
        FeatureShape[] shapes = [.. _tensors.Select(tensor =>
            FeatureFile.ReadShape($"{checkpoint.SourcePath}: tensor '{tensor.Name}'", tensor.Shape,
                allowBatch: false))];
        int other = Array.FindIndex(shapes, shape => shape.ChannelCount != shapes[0].ChannelCount);
        if (other >= 0)
            throw new InputException($"{checkpoint.SourcePath}: '{Name}.0' has {shapes[0].ChannelCount} " +
                $"channels but '{Name}.{other}' has {shapes[other].ChannelCount}; all images need the same");
        _grids = [.. shapes.Select(shape => shape.Grid)];
        ChannelCount = shapes[0].ChannelCount;
    }

    public long ChannelCount { get; }

    public IReadOnlyList<PatchGrid> Grids => _grids;

    private bool IsRagged => _tensors[0].Name != Name;

    public static SafetensorsFeatures Open(string path)
    {
        SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
        try
        {
            return new SafetensorsFeatures(checkpoint);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    public string Describe(int imageIndex) => IsRagged
        ? $"{_checkpoint.SourcePath}: tensor '{_tensors[imageIndex].Name}'"
        : $"{_checkpoint.SourcePath}: image {imageIndex} of '{Name}'";

    public string FileStem(int imageIndex) => $"{Name}.{imageIndex}";

    public void Read(int imageIndex, Span<float> destination)
    {
        if (IsRagged)
            _checkpoint.Read(_tensors[imageIndex], 0, destination);
        else
            _checkpoint.Read(_tensors[0], (long)imageIndex * destination.Length, destination);
    }

    public SKBitmap? ReadPicture(int imageIndex, int longSide) => null;

    public void Dispose() => _checkpoint.Dispose();

    private static TensorInfo[] FindNumbered(SafetensorsCheckpoint checkpoint)
    {
        SortedDictionary<int, TensorInfo> numbered = [];
        foreach (TensorInfo tensor in checkpoint.Tensors)
        {
            if (!tensor.Name.StartsWith(Name + ".", StringComparison.Ordinal))
                continue;
            string suffix = tensor.Name[(Name.Length + 1)..];
            if (!int.TryParse(suffix, NumberStyles.None, CultureInfo.InvariantCulture, out int index)
                || suffix != index.ToString(CultureInfo.InvariantCulture))
                throw new InputException($"{checkpoint.SourcePath}: tensor '{tensor.Name}': expected " +
                    $"'{Name}.' and a number from 0");
            numbered.Add(index, tensor);
        }

        if (numbered.Count == 0)
        {
            string[] names = [.. checkpoint.Tensors.Take(5).Select(tensor => $"'{tensor.Name}'")];
            string found = names.Length == 0
                ? "no tensor at all" : string.Join(", ", names) + (checkpoint.Tensors.Count > 5 ? ", …" : "");
            throw new InputException($"{checkpoint.SourcePath}: expected a tensor '{Name}' or '{Name}.0', " +
                $"'{Name}.1', …; found {found}");
        }

        int missing = 0;
        foreach (int index in numbered.Keys)
        {
            if (index != missing)
                throw new InputException($"{checkpoint.SourcePath}: '{Name}.{missing}' is missing although " +
                    $"there is '{Name}.{index}'");
            missing++;
        }

        return [.. numbered.Values];
    }
}

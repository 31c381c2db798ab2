using System.Globalization;
using MsResampler.Safetensors;
using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>Features in a safetensors file: one tensor <c>features</c> for images of one size, or
/// <c>features.0</c>, <c>features.1</c>, … for images whose grids may differ. Other tensors are ignored.</summary>
internal sealed class SafetensorsFeatures : IFeatureSource
{
    private const string Name = "features";

    private readonly InputFile _source;
    private readonly SafetensorsCheckpoint _checkpoint;
    private readonly TensorInfo[] _tensors;
    private readonly FeatureShape[] _shapes;
    private readonly PatchGrid[] _grids;

    private SafetensorsFeatures(InputFile source, SafetensorsCheckpoint checkpoint, FeatureLayout layout)
    {
        _source = source;
        _checkpoint = checkpoint;
        if (checkpoint.Find(Name) is { } batch)
        {
            if (checkpoint.Tensors.Any(tensor =>
                tensor.Name.StartsWith(Name + ".", StringComparison.Ordinal)))
                throw new InputException($"{source.Name}: the file has both '{Name}' and '{Name}.N'; keep one of them");
            FeatureShape shape = layout.Read($"{source.Name}: tensor '{Name}'", batch.Shape, allowBatch: true);
            _tensors = [batch];
            _shapes = [shape];
            _grids = [.. Enumerable.Repeat(shape.Grid, shape.ImageCount)];
            ChannelCount = shape.ChannelCount;
            return;
        }

        _tensors = FindNumbered(source.Name, checkpoint);
        FeatureShape[] shapes = [.. _tensors.Select(tensor =>
            layout.Read($"{source.Name}: tensor '{tensor.Name}'", tensor.Shape, allowBatch: false))];
        _shapes = shapes;
        int other = Array.FindIndex(shapes, shape => shape.ChannelCount != shapes[0].ChannelCount);
        if (other >= 0)
            throw new InputException($"{source.Name}: '{Name}.0' has {shapes[0].ChannelCount} channels, but " +
                $"'{Name}.{other}' has {shapes[other].ChannelCount}; all images must have the same number");
        _grids = [.. shapes.Select(shape => shape.Grid)];
        ChannelCount = shapes[0].ChannelCount;
    }

    public long ChannelCount { get; }

    public IReadOnlyList<PatchGrid> Grids => _grids;

    private bool IsRagged => _tensors[0].Name != Name;

    public IReadOnlyList<long> StoredShape => _tensors[0].Shape;

    /// <summary>Opens the features of a file. The result owns the file.</summary>
    public static SafetensorsFeatures Open(InputFile source, FeatureLayout layout)
    {
        SafetensorsCheckpoint checkpoint;
        try
        {
            checkpoint = SafetensorsCheckpoint.Open(source.ReadablePath);
        }
        catch (SafetensorsException exception) when (source.ReadablePath != source.Name)
        {
            throw new InputException(exception.Message.Replace(source.ReadablePath, source.Name,
                StringComparison.Ordinal), exception);
        }

        try
        {
            return new SafetensorsFeatures(source, checkpoint, layout);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    public string Describe(int imageIndex) => IsRagged
        ? $"{_source.Name}: tensor '{_tensors[imageIndex].Name}'"
        : $"{_source.Name}: image {imageIndex} of '{Name}'";

    public string FileStem(int imageIndex) => $"{Name}.{imageIndex}";

    public void Read(int imageIndex, Span<float> destination)
    {
        if (IsRagged)
            _checkpoint.Read(_tensors[imageIndex], _shapes[imageIndex].Start(0), destination);
        else
            _checkpoint.Read(_tensors[0], _shapes[0].Start(imageIndex), destination);
    }

    public SKBitmap? ReadPicture(int imageIndex, int longSide) => null;

    public void Dispose()
    {
        _checkpoint.Dispose();
        _source.Dispose();
    }

    private static TensorInfo[] FindNumbered(string path, SafetensorsCheckpoint checkpoint)
    {
        SortedDictionary<int, TensorInfo> numbered = [];
        foreach (TensorInfo tensor in checkpoint.Tensors)
        {
            if (!tensor.Name.StartsWith(Name + ".", StringComparison.Ordinal))
                continue;
            string suffix = tensor.Name[(Name.Length + 1)..];
            if (!int.TryParse(suffix, NumberStyles.None, CultureInfo.InvariantCulture, out int index)
                || suffix != index.ToString(CultureInfo.InvariantCulture))
                throw new InputException($"{path}: tensor '{tensor.Name}': expected a name '{Name}.' with a number " +
                    "from 0");
            numbered.Add(index, tensor);
        }

        if (numbered.Count == 0)
        {
            string[] names = [.. checkpoint.Tensors.Take(5).Select(tensor => $"'{tensor.Name}'")];
            string found = names.Length == 0
                ? "no tensors" : string.Join(", ", names) + (checkpoint.Tensors.Count > 5 ? ", …" : "");
            throw new InputException($"{path}: expected a tensor '{Name}' or '{Name}.0', " +
                $"'{Name}.1', …; found {found}");
        }

        int missing = 0;
        foreach (int index in numbered.Keys)
        {
            if (index != missing)
                throw new InputException($"{path}: '{Name}.{missing}' is missing, but there is '{Name}.{index}'");
            missing++;
        }

        return [.. numbered.Values];
    }
}

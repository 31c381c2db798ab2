using SkiaSharp;

namespace MsResampler.Cli.Input;

/// <summary>Several feature files as one batch.</summary>
internal sealed class FeatureFiles : IFeatureSource
{
    private readonly IReadOnlyList<IFeatureSource> _sources;
    private readonly (IFeatureSource Source, int Index)[] _images;

    /// <param name="sources">The files; they are disposed together with this object.</param>
    /// <exception cref="InputException">The images have different numbers of channels.</exception>
    public FeatureFiles(IReadOnlyList<IFeatureSource> sources)
    {
        _sources = sources;
        _images = [.. sources.SelectMany(source =>
            Enumerable.Range(0, source.Grids.Count).Select(index => (source, index)))];
        Grids = [.. sources.SelectMany(source => source.Grids)];
        IFeatureSource? other = sources.FirstOrDefault(source => source.ChannelCount != sources[0].ChannelCount);
        if (other is not null)
            throw new InputException($"{other.Describe(0)} has {other.ChannelCount} channels, but " +
                $"{sources[0].Describe(0)} has {sources[0].ChannelCount}; all images must have the same number");
    }

    public long ChannelCount => _sources[0].ChannelCount;

    public IReadOnlyList<PatchGrid> Grids { get; }

    public IReadOnlyList<long> StoredShape => _sources[0].StoredShape;

    public string Describe(int imageIndex) => _images[imageIndex].Source.Describe(_images[imageIndex].Index);

    public string FileStem(int imageIndex) => _images[imageIndex].Source.FileStem(_images[imageIndex].Index);

    public void Read(int imageIndex, Span<float> destination)
        => _images[imageIndex].Source.Read(_images[imageIndex].Index, destination);

    public SKBitmap? ReadPicture(int imageIndex, int longSide) => null;

    public void Dispose()
    {
        foreach (IFeatureSource source in _sources)
            source.Dispose();
    }
}

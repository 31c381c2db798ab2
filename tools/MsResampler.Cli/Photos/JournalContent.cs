using System.Globalization;

namespace MsResampler.Cli.Photos;

/// <summary>What a journal records.</summary>
internal sealed class JournalContent
{
    // The first bad photos are listed at the end of a run; the sidecar has all.
    private const int MaxListedBadCount = 10_000;

    private readonly string _path;
    private readonly StoreSettings _settings;
    private readonly List<uint> _checksums = [];
    private readonly List<long> _offsets = [];

    /// <summary>A journal without lines.</summary>
    public JournalContent(string path, StoreSettings settings) => (_path, _settings) = (path, settings);

    /// <summary>The photos with a line.</summary>
    public HashSet<UInt128> Ids { get; } = [];

    /// <summary>The first bad photos.</summary>
    public List<(string File, string Error)> Bad { get; } = [];

    /// <summary>The number of bad photos.</summary>
    public int BadCount { get; private set; }

    /// <summary>The number of photos in each shard but the last one.</summary>
    public List<int> EarlierCounts { get; } = [];

    /// <summary>The number of shards.</summary>
    public int ShardCount { get; private set; }

    /// <summary>The checksums of the tensors of the last shard.</summary>
    public IReadOnlyList<uint> LastChecksums => _checksums;

    /// <summary>The place of the line of a tensor of the last shard.</summary>
    public long LineOf(int tensorIndex) => _offsets[tensorIndex];

    /// <summary>The end of the last whole line that is not damaged.</summary>
    public long Length { get; private set; }

    /// <summary>The name of a shard.</summary>
    public static string ShardName(StoreSettings settings, int index)
        => string.Create(CultureInfo.InvariantCulture, $"{settings.Share.Stem}-{index:D5}{ShardFile.Extension}");

    /// <summary>Reads a journal; it may be missing.</summary>
    /// <exception cref="InputException">A line other than the last ones is damaged.</exception>
    public static JournalContent Read(string path, StoreSettings settings, CancellationToken cancellationToken)
    {
        JournalContent content = new(path, settings);
        int? damagedLine = null;
        foreach ((long offset, long end, int line, JournalRecord? record) in Journal.Read(path))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (record is null)
            {
                damagedLine ??= line;
                continue;
            }

            // Only the end of a file can be lost: a line after a damaged one means something else.
            if (damagedLine is { } damaged)
                throw content.Damage(damaged, "expected a JSON object with file, status, shard and tensor");
            content.Add(record, offset, line);
            content.Length = end;
        }

        return content;
    }

    /// <summary>Adds a record that was appended.</summary>
    public void Add(JournalRecord record, long offset, int line)
    {
        if (!Ids.Add(PhotoId.Of(record.File)))
            throw Damage(line, $"expected each photo once, found '{record.File}' again");
        if (record.Place is not { } place)
        {
            if (Bad.Count < MaxListedBadCount)
                Bad.Add((record.File, record.Error!));
            BadCount++;
            return;
        }

        if (ShardCount == 0 || place.Shard != ShardName(_settings, ShardCount - 1))
        {
            if (place.Shard != ShardName(_settings, ShardCount))
                throw Damage(line, $"expected the shard {ShardName(_settings, ShardCount)} or the one before, found " +
                    $"'{place.Shard}'");
            if (ShardCount > 0)
                EarlierCounts.Add(_checksums.Count);
            ShardCount++;
            _checksums.Clear();
            _offsets.Clear();
        }

        if (place.Tensor != TokenPlace.TensorOf(_checksums.Count))
            throw Damage(line, $"expected the tensor {TokenPlace.TensorOf(_checksums.Count)}, found '{place.Tensor}'");
        _checksums.Add(place.Checksum);
        _offsets.Add(offset);
    }

    private InputException Damage(int line, string problem) => new($"{_path}, line {line}: {problem}; the sidecar is " +
        "damaged: restore it, or use another folder as --out");
}

using System.IO.Hashing;
using MsResampler.Files;

namespace MsResampler.Cli.Photos;

/// <summary>The folder with the tokens of many photos: shards of bounded size and a sidecar with a line for each photo.
/// The tokens of a photo are appended to the open shard, and then its line to the sidecar. After a kill at any moment
/// the sidecar tells what is done; bytes after the last recorded tokens are removed. After a loss of power the open
/// shard is compared with the checksums of the sidecar, and lines without their tokens are removed; earlier shards and
/// their lines are on the disk.</summary>
internal sealed class TokenStore : IDisposable
{
    private const string SettingsSuffix = ".run.json";

    private readonly StoreSettings _settings;
    private readonly ShardLayout _layout;
    private readonly string _folder;
    private readonly FileLock _lock;
    private JournalContent _content;
    private Journal? _journal;
    private ShardFile? _shard;

    private TokenStore(string folder, StoreSettings settings, FileLock @lock)
    {
        (_folder, _settings, _lock) = (folder, settings, @lock);
        _layout = new ShardLayout(settings);
        _content = new JournalContent(JournalPath, settings);
    }

    /// <summary>The sidecar.</summary>
    public string JournalPath => InFolder(".jsonl");

    /// <summary>The number of bad photos in the sidecar.</summary>
    public int BadCount => _content.BadCount;

    /// <summary>The number of photos with tokens.</summary>
    public int GoodCount => _content.Ids.Count - _content.BadCount;

    /// <summary>The first bad photos, and why they are bad.</summary>
    public IReadOnlyList<(string File, string Error)> Bad => _content.Bad;

    /// <summary>The number of shards.</summary>
    public int ShardCount => _content.ShardCount;

    private string SettingsPath => InFolder(SettingsSuffix);

    /// <summary>Opens a folder, and continues an earlier run.</summary>
    /// <param name="folder">The folder; created if it does not exist.</param>
    /// <param name="settings">What the tokens depend on.</param>
    /// <param name="retryErrors">Whether bad photos of an earlier run are tried again.</param>
    /// <param name="warn">Receives what was lost and is computed again.</param>
    /// <param name="cancellationToken">Cancels reading.</param>
    /// <exception cref="InputException">The folder cannot be written, another process writes to it, it was started with
    /// other settings, or a file in it is missing or damaged.</exception>
    public static TokenStore Open(string folder, StoreSettings settings, bool retryErrors, Action<string> warn,
        CancellationToken cancellationToken)
    {
        if (File.Exists(folder))
            throw new InputException($"{folder}: this is a file; --out expects a folder, or a name that ends in " +
                ".safetensors, .npy or .pt");
        try
        {
            Directory.CreateDirectory(folder);
            FileLock @lock = FileLock.TryCreate(Path.Combine(folder, settings.Share.Stem + ".lock"))
                ?? throw new InputException($"{folder}: another process writes {settings.Share.Stem} here; wait for " +
                    "it, or give each process its part of the photos with --shard");
            TokenStore store = new(folder, settings, @lock);
            try
            {
                store.Resume(retryErrors, warn, cancellationToken);
                return store;
            }
            catch
            {
                store.Dispose();
                throw;
            }
        }
        catch (Exception exception) when (IsOfWriting(exception))
        {
            throw Translated(folder, exception);
        }
    }

    /// <summary>Whether a photo has a line in the sidecar.</summary>
    public bool IsDone(UInt128 id) => _content.Ids.Contains(id);

    /// <summary>Appends the tokens of a photo.</summary>
    /// <exception cref="InputException">The disk is full, or a file cannot be written.</exception>
    public void Add(string name, PatchGrid grid, ReadOnlySpan<byte> tokens)
    {
        try
        {
            _shard ??= NewShard();
            TokenPlace place = new(grid, _shard.Name, TokenPlace.TensorOf(_shard.Count),
                Crc32.HashToUInt32(tokens));
            _shard.Append(tokens);
            Append(new JournalRecord(name, place, null));
            if (_shard.IsFull)
                CloseShard();
        }
        catch (Exception exception) when (IsOfWriting(exception))
        {
            throw Translated(_folder, exception);
        }
    }

    /// <summary>Records a bad photo.</summary>
    /// <exception cref="InputException">The disk is full, or the sidecar cannot be written.</exception>
    public void AddError(string name, string error)
    {
        try
        {
            Append(new JournalRecord(name, null, error));
        }
        catch (Exception exception) when (IsOfWriting(exception))
        {
            throw Translated(_folder, exception);
        }
    }

    /// <summary>Completes the last shard.</summary>
    /// <exception cref="InputException">The disk is full, or a file cannot be written.</exception>
    public void Complete()
    {
        try
        {
            CloseShard();
            _journal!.FlushToDisk();
        }
        catch (Exception exception) when (IsOfWriting(exception))
        {
            throw Translated(_folder, exception);
        }
    }

    /// <summary>Closes the files; the open shard is continued by the next run.</summary>
    public void Dispose()
    {
        _shard?.Dispose();
        _journal?.Dispose();
        _lock.Dispose();
    }

    // .NET throws ArgumentOutOfRangeException if a file exceeds the limit of the file system or of the process.
    private static bool IsOfWriting(Exception exception)
        => exception is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException;

    private static InputException Translated(string folder, Exception exception) => new($"{folder}: " +
        $"{exception.Message.Split('\n')[0].TrimEnd('.')}; what is recorded stays: remove the cause and run the same " +
        "command again", exception);

    private string InFolder(string suffix) => Path.Combine(_folder, _settings.Share.Stem + suffix);

    private string PathOf(int shardIndex) => Path.Combine(_folder, JournalContent.ShardName(_settings, shardIndex));

    private void Resume(bool retryErrors, Action<string> warn, CancellationToken cancellationToken)
    {
        RequireSameParts();
        if (File.Exists(SettingsPath))
            _settings.RequireEqual(SettingsPath);
        else if (File.Exists(JournalPath))
            throw new InputException($"{SettingsPath}: expected the settings of the run that wrote {JournalPath}, " +
                "found no file; restore it, or use another folder as --out");
        else
            _settings.Write(SettingsPath, cancellationToken);
        _content = JournalContent.Read(JournalPath, _settings, cancellationToken);
        if (retryErrors && _content.BadCount > 0)
        {
            Journal.RemoveErrors(JournalPath, cancellationToken);
            _content = JournalContent.Read(JournalPath, _settings, cancellationToken);
        }

        if (File.Exists(JournalPath) && new FileInfo(JournalPath).Length > _content.Length)
            Journal.Truncate(JournalPath, _content.Length);
        RequireEarlierShards();
        ContinueLastShard(warn, cancellationToken);
        _journal = Journal.Open(JournalPath);
        if (_shard is { IsFull: true })
            CloseShard();
    }

    /// <summary>The sidecars of a folder together have each photo once: their parts must be of one division.</summary>
    private void RequireSameParts()
    {
        foreach (string path in Directory.EnumerateFiles(_folder, "tokens*" + SettingsSuffix))
        {
            string name = Path.GetFileName(path)[..^SettingsSuffix.Length];
            int count = name == WorkShare.All.Stem ? 1 : WorkShare.CountOf(name);
            if (count != _settings.Share.Count)
            {
                throw new InputException($"{path}: expected {Parts(_settings.Share.Count)}, found an earlier run " +
                    $"with {Parts(count)}; use the same number of parts in --shard, or another folder as --out");
            }
        }
    }

    private static string Parts(int count) => count == 1 ? "all photos" : $"parts of {count}";

    private void RequireEarlierShards()
    {
        for (int index = 0; index < _content.EarlierCounts.Count; index++)
            RequireLength(index, _content.EarlierCounts[index]);
    }

    private void RequireLength(int index, int count)
    {
        string path = PathOf(index);
        long expected = _layout.OffsetOf(count);
        long? found = File.Exists(path) ? new FileInfo(path).Length : null;
        if (found != expected)
        {
            throw new InputException($"{path}: expected a shard of {expected} bytes with the tokens of {count} " +
                $"photos, found {(found is null ? "no file" : $"{found} bytes")}; restore it, or use another " +
                "folder as --out");
        }
    }

    private void RequireNoShard(int index)
    {
        if (File.Exists(PathOf(index)))
            throw new InputException($"{PathOf(index)}: expected no shard of this name, because {JournalPath} does " +
                "not list it; move it away, or restore the sidecar");
    }

    private void ContinueLastShard(Action<string> warn, CancellationToken cancellationToken)
    {
        int index = _content.ShardCount - 1;
        int recordedCount = _content.LastChecksums.Count;
        if (index >= 0 && File.Exists(PathOf(index)))
        {
            RequireLength(index, recordedCount);
            return;
        }

        if (index < 0)
        {
            RequireNoShard(0);
            return;
        }

        int intactCount = ShardFile.CountIntact(ShardFile.PartOf(PathOf(index)), _layout, _content.LastChecksums,
            cancellationToken);
        if (intactCount < recordedCount)
        {
            Journal.Truncate(JournalPath, _content.LineOf(intactCount));
            warn($"{ShardFile.PartOf(PathOf(index))}: expected the tokens of {recordedCount} photos, found those of " +
                $"{intactCount}; the others are computed again");
            _content = JournalContent.Read(JournalPath, _settings, cancellationToken);
        }

        if (intactCount > 0)
            _shard = new ShardFile(_folder, JournalContent.ShardName(_settings, index), _layout, intactCount);
    }

    private ShardFile NewShard()
    {
        RequireNoShard(_content.ShardCount);
        return new ShardFile(_folder, JournalContent.ShardName(_settings, _content.ShardCount), _layout, count: 0);
    }

    private void Append(JournalRecord record)
    {
        long offset = _journal!.Length;
        _journal.Append(record);
        _content.Add(record, offset, line: 0);
    }

    private void CloseShard()
    {
        if (_shard is null)
            return;
        _shard.WriteHeader();
        // Before the name: the lines of a complete shard must not be lost.
        _journal!.FlushToDisk();
        _shard.GiveName();
        _shard.Dispose();
        _shard = null;
    }
}

using System.Diagnostics.CodeAnalysis;
using static MsResampler.Safetensors.SafetensorsException;

namespace MsResampler.Safetensors;

/// <summary>Chooses the checkpoint in a folder.</summary>
internal static class CheckpointFolder
{
    private const string FileSuffix = ".safetensors";
    private const string IndexSuffix = ".safetensors.index.json";
    private const string StandardStem = "model";
    private const string ShardInfix = "-of-";
    private const int MaxListedCount = 5;

    public static SafetensorsCheckpoint Open(string folder)
    {
        string? index = Find(folder, IndexSuffix, out string[] indexes);
        string? single = Find(folder, FileSuffix, out string[] singles);
        bool isStandard = single is not null && Path.GetFileName(single) == StandardStem + FileSuffix;
        if (index is null && indexes.Length > 0 && !isStandard)
            ThrowAmbiguous(folder, indexes);
        if (index is null)
        {
            if (single is not null)
            {
                return SafetensorsCheckpoint.OpenFile(single,
                    indexes.Select(other => Ignored(other, "there are several, and none has the standard name")));
            }

            if (singles.Length > 0)
                ThrowAmbiguous(folder, singles);
            throw new FileNotFoundException($"{folder}: expected a file *{IndexSuffix} or *{FileSuffix}, found " +
                DescribeOthers(folder), Path.Combine(folder, StandardStem + FileSuffix));
        }

        SafetensorsCheckpoint sharded;
        try
        {
            sharded = SafetensorsCheckpoint.OpenFile(index, []);
        }
        catch (SafetensorsException exception) when (single is not null)
        {
            return SafetensorsCheckpoint.OpenFile(single, [Ignored(index,
                exception.SourcePath == index ? exception.Problem : exception.Message)]);
        }

        return isStandard ? Choose(sharded, single!) : sharded;
    }

    /// <summary>Whether the path names a file or a link to an existing file. <see cref="File.Exists"/> is also true
    /// for a broken link.</summary>
    public static bool IsFile(string path)
    {
        if (!File.Exists(path))
            return false;
        try
        {
            return File.ResolveLinkTarget(path, returnFinalTarget: true) is not { Exists: false };
        }
        catch (IOException)
        {
            return false; // the links form a cycle
        }
    }

    /// <summary>Whether a folder holds files of weights, of any format.</summary>
    public static bool HasWeights(string folder) => Directory.EnumerateFiles(folder)
        .Any(file => file.EndsWith(FileSuffix, StringComparison.Ordinal)
            || file.EndsWith(IndexSuffix, StringComparison.Ordinal) || IsOfAnotherFormat(file));

    /// <summary>Describes, for an error message, what a path names that <see cref="IsFile"/> rejects.</summary>
    public static string DescribeMissing(string path)
    {
        if (Directory.Exists(path))
            return "a folder";
        return new FileInfo(path).LinkTarget is { } target
            ? $"a link to {Quote(target)}, where no file is" : "no such file";
    }

    /// <summary>Chooses between a valid index and a file with the standard name beside it: the complete one of the
    /// two.</summary>
    private static SafetensorsCheckpoint Choose(SafetensorsCheckpoint sharded, string path)
    {
        SafetensorsCheckpoint single;
        try
        {
            single = SafetensorsCheckpoint.OpenFile(path, []);
        }
        catch (SafetensorsException exception) when (exception.Error == SafetensorsError.AnotherFormat)
        {
            return sharded.Warn(Ignored(path, exception.Problem));
        }
        catch (SafetensorsException exception)
        {
            sharded.Dispose();
            throw new SafetensorsException(exception.Error, path, $"{exception.Problem} (without this file, " +
                $"{Quote(Path.GetFileName(sharded.SourcePath))} would be opened)", exception);
        }
        catch
        {
            sharded.Dispose();
            throw;
        }

        string[] missing = [.. sharded.Tensors.Select(tensor => tensor.Name).Where(name => single.Find(name) is null)];
        bool isShard = sharded.FileNames.Contains(Path.GetFileName(path));
        bool isWhole = missing.Length == 0;
        bool isSingleChosen = isWhole || (!isShard && !sharded.HasEveryShard);
        (SafetensorsCheckpoint chosen, SafetensorsCheckpoint other) =
            isSingleChosen ? (single, sharded) : (sharded, single);
        other.Dispose();
        if (isShard)
            return chosen;
        string more = missing.Length > 1 ? $" and {missing.Length - 1} more" : "";
        return chosen.Warn(Ignored(other.SourcePath, isWhole
                ? $"{Quote(Path.GetFileName(path))} holds every tensor that it names"
            : isSingleChosen
                ? "not all of its shards can be used"
                : $"it lacks tensor {Quote(missing[0])}{more}, which " +
                    $"{Quote(Path.GetFileName(chosen.SourcePath))} names"));
    }

    private static string Ignored(string path, string reason) => $"{path} was ignored: {reason}";

    /// <summary>The file with the standard name, else the only file with the suffix, else null.</summary>
    private static string? Find(string folder, string suffix, out string[] all)
    {
        all = [.. Directory.EnumerateFiles(folder)
            .Where(file => file.EndsWith(suffix, StringComparison.Ordinal)
                && !Path.GetFileName(file.AsSpan()).StartsWith('.') && IsFile(file))
            .Order(StringComparer.Ordinal)];
        return all.FirstOrDefault(file => Path.GetFileName(file) == StandardStem + suffix)
            ?? (all.Length == 1 ? all[0] : null);
    }

    /// <summary>Describes, for an error message, what a folder without a checkpoint holds instead.</summary>
    private static string DescribeOthers(string folder)
    {
        string standard = Path.Combine(folder, StandardStem + FileSuffix);
        if (Directory.Exists(standard) || new FileInfo(standard).LinkTarget is not null)
            return $"{Quote(StandardStem + FileSuffix)}, which is {DescribeMissing(standard)}";
        string? other = Directory.EnumerateFiles(folder).Select(file => Path.GetFileName(file))
            .Order(StringComparer.Ordinal).FirstOrDefault(name => !name.StartsWith('.') && IsOfAnotherFormat(name));
        return other is null ? "none" : $"none, but {Quote(other)}; " + (Path.GetExtension(other) == ".gguf"
            ? "name the mmproj file itself, not its folder" : "convert it to safetensors");
    }

    /// <summary>Says what to open in place of a folder of the Hugging Face cache that holds revisions of a model; empty
    /// for other folders.</summary>
    public static string DescribeRevisions(string folder)
    {
        string revisions = Path.Combine(folder, "snapshots");
        string? first = Directory.Exists(revisions)
            ? Directory.EnumerateDirectories(revisions).Order(StringComparer.Ordinal).FirstOrDefault() : null;
        return first is null ? "" : $"; the folder holds downloaded revisions of a model: open one, such as {first}";
    }

    private static bool IsOfAnotherFormat(string name)
        => Path.GetExtension(name) is ".bin" or ".pt" or ".pth" or ".ckpt" or ".gguf";

    [DoesNotReturn]
    private static void ThrowAmbiguous(string folder, string[] files)
    {
        string[] names = [.. files.Select(file => Path.GetFileName(file))];
        string list = string.Join(", ", names.Take(MaxListedCount))
            + (names.Length > MaxListedCount ? $" and {names.Length - MaxListedCount} more" : "");
        if (!names.All(name => name.Contains(ShardInfix, StringComparison.Ordinal)))
        {
            throw new SafetensorsException(SafetensorsError.AmbiguousFolder, folder,
                $"expected one checkpoint, found {list}; open one of them by its own name");
        }

        const string IndexName = StandardStem + IndexSuffix;
        throw new SafetensorsException(SafetensorsError.AmbiguousFolder, folder, $"expected the index of the shards " +
            $"{list}, {Quote(IndexName)}, found {DescribeMissing(Path.Combine(folder, IndexName))}");
    }
}

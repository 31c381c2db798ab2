using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace PtxEmulator.Tests;

/// <summary>A snippet of instructions, its operands and the expected results; one lane per row.</summary>
/// <remarks>The operands are in %a, %b, %c and %d; the result is in %r. The snippet may use %p and %q (predicates),
/// %t and %u (32 bits), %v and %w (64 bits), and %h and %g (16 bits). Predicates are passed as bool.</remarks>
internal sealed class PtxCase
{
    private const int WarpSize = 32;
    private const int SlotBytes = 8;

    private static readonly Type[] s_halfWords = [typeof(short), typeof(ushort), typeof(Half), typeof(BFloat16)];

    private readonly string _instructions;
    private readonly Type[] _operandTypes;
    private readonly Type _resultType;
    private readonly List<Row> _rows = [];

    private PtxCase(string instructions, Type resultType, params Type[] operandTypes)
    {
        _instructions = instructions;
        _resultType = resultType;
        _operandTypes = operandTypes;
    }

    public static PtxCase Unary<TA, TResult>(string instructions, Func<TA, TResult> expected, TA[]? values = null)
        where TA : unmanaged
        where TResult : unmanaged
    {
        PtxCase table = new(instructions, typeof(TResult), typeof(TA));
        foreach (TA a in values ?? Values.Of<TA>())
            table.Add(expected(a), Operand(a));
        return table;
    }

    public static PtxCase Binary<TA, TB, TResult>(
        string instructions, Func<TA, TB, TResult> expected, TA[]? first = null, TB[]? second = null)
        where TA : unmanaged
        where TB : unmanaged
        where TResult : unmanaged
    {
        PtxCase table = new(instructions, typeof(TResult), typeof(TA), typeof(TB));
        foreach (TA a in first ?? Values.Of<TA>())
            foreach (TB b in second ?? Values.Of<TB>())
                table.Add(expected(a, b), Operand(a), Operand(b));
        return table;
    }

    public static PtxCase Ternary<TA, TB, TC, TResult>(string instructions, Func<TA, TB, TC, TResult> expected,
        TA[]? first = null, TB[]? second = null, TC[]? third = null)
        where TA : unmanaged
        where TB : unmanaged
        where TC : unmanaged
        where TResult : unmanaged
    {
        PtxCase table = new(instructions, typeof(TResult), typeof(TA), typeof(TB), typeof(TC));
        foreach (TA a in first ?? Values.Of<TA>())
            foreach (TB b in second ?? Values.Of<TB>())
                foreach (TC c in third ?? Values.Of<TC>())
                    table.Add(expected(a, b, c), Operand(a), Operand(b), Operand(c));
        return table;
    }

    public static PtxCase Quaternary<TA, TB, TC, TD, TResult>(string instructions,
        Func<TA, TB, TC, TD, TResult> expected, TA[] first, TB[] second, TC[] third, TD[] fourth)
        where TA : unmanaged
        where TB : unmanaged
        where TC : unmanaged
        where TD : unmanaged
        where TResult : unmanaged
    {
        PtxCase table = new(instructions, typeof(TResult), typeof(TA), typeof(TB), typeof(TC), typeof(TD));
        foreach (TA a in first)
            foreach (TB b in second)
                foreach (TC c in third)
                    foreach (TD d in fourth)
                        table.Add(expected(a, b, c, d), Operand(a), Operand(b), Operand(c), Operand(d));
        return table;
    }

    /// <summary>A function of one operand that the hardware approximates.</summary>
    /// <param name="instructions">The snippet.</param>
    /// <param name="values">The operands.</param>
    /// <param name="exact">The exact function. Where it is infinite, zero or NaN, the result must be too.</param>
    /// <param name="allowed">The allowed error at a finite value of the function.</param>
    public static PtxCase Near(
        string instructions, float[] values, Func<double, double> exact, Func<double, double> allowed)
    {
        PtxCase table = new(instructions, typeof(float), typeof(float));
        foreach (float a in values)
        {
            double expected = exact(a);
            bool isExact = !double.IsFinite(expected) || expected == 0;
            double error = isExact ? 0 : allowed(expected);
            table._rows.Add(new([Operand(a)], $"{expected:R} ± {error:G3}", bits =>
            {
                float actual = Values.FromBits<float>(bits);
                return isExact ? Values.Same((float)expected, actual) : Math.Abs(actual - expected) <= error;
            }));
        }
        return table;
    }

    /// <summary>Fails unless every row has the expected result.</summary>
    public void Verify(EmulatorOptions? options = null)
    {
        ulong[] results = Run(options);
        List<string> wrong = [];
        for (int index = 0; index < _rows.Count; index++)
            if (!_rows[index].IsRight(results[index]))
                wrong.Add($"{_instructions}  {Operands(_rows[index])}: {Show(_resultType, results[index])}, "
                    + $"expected {_rows[index].Expected}");
        Assert.That(wrong.Take(12), Is.Empty, $"{wrong.Count} of {_rows.Count} rows");
    }

    public override string ToString() => _instructions;

    /// <summary>The results of all rows.</summary>
    public ulong[] Run(EmulatorOptions? options = null)
    {
        int warpCount = (_rows.Count + WarpSize - 1) / WarpSize;
        int laneCount = warpCount * WarpSize;
        byte[] operands = new byte[laneCount * _operandTypes.Length * SlotBytes];
        for (int lane = 0; lane < laneCount; lane++)
        {
            ulong[] row = _rows[Math.Min(lane, _rows.Count - 1)].Operands;
            for (int index = 0; index < row.Length; index++)
                BinaryPrimitives.WriteUInt64LittleEndian(
                    operands.AsSpan(((lane * row.Length) + index) * SlotBytes), row[index]);
        }
        using KernelRun run = new(Text(), options);
        ulong results = run.Buffer(new ulong[laneCount]);
        run.Launch(warpCount, WarpSize, run.Buffer(operands), results);
        return run.Read<ulong>(results, laneCount);
    }

    private string Text()
    {
        StringBuilder loads = new();
        for (int index = 0; index < _operandTypes.Length; index++)
        {
            char name = (char)('a' + index);
            string address = $"[%in+{index * SlotBytes}]";
            loads.AppendLine(CultureInfo.InvariantCulture, $".reg {RegisterType(_operandTypes[index])} %{name};");
            loads.AppendLine(_operandTypes[index] == typeof(bool)
                ? $"ld.global.u32 %t, {address}; setp.ne.u32 %{name}, %t, 0;"
                : $"ld.global{MemoryType(_operandTypes[index])} %{name}, {address};");
        }
        string store = _resultType == typeof(bool)
            ? "selp.u32 %t, 1, 0, %r; st.global.u32 [%out], %t;"
            : $"st.global{MemoryType(_resultType)} [%out], %r;";
        return $$"""
            .visible .entry snippet(.param .u64 operands, .param .u64 results)
            {
                .reg .pred %p, %q;
                .reg .b16 %h, %g;
                .reg .b32 %t, %u, %block, %count, %index;
                .reg .b64 %v, %w, %in, %out, %offset;
                .reg {{RegisterType(_resultType)}} %r;
                mov.u32 %block, %ctaid.x;
                mov.u32 %count, %ntid.x;
                mov.u32 %index, %tid.x;
                mad.lo.u32 %index, %block, %count, %index;
                ld.param.u64 %in, [operands];
                mul.wide.u32 %offset, %index, {{_operandTypes.Length * SlotBytes}};
                add.u64 %in, %in, %offset;
                ld.param.u64 %out, [results];
                mul.wide.u32 %offset, %index, {{SlotBytes}};
                add.u64 %out, %out, %offset;
                {{loads}}
                {{_instructions}}
                {{store}}
                ret;
            }
            """;
    }

    private void Add<TResult>(TResult expected, params ulong[] operands)
        where TResult : unmanaged => _rows.Add(new(operands, Show(typeof(TResult), Values.ToBits(expected)),
            bits => Values.Same(expected, Values.FromBits<TResult>(bits))));

    private string Operands(Row row) =>
        string.Join(", ", row.Operands.Select((bits, index) => Show(_operandTypes[index], bits)));

    private static ulong Operand<T>(T value)
        where T : unmanaged => Values.ToBits(value);

    private static string Show(Type type, ulong bits) => type switch
    {
        _ when type == typeof(float) => $"{Values.FromBits<float>(bits):R} (0x{bits:X8})",
        _ when type == typeof(double) => $"{Values.FromBits<double>(bits):R} (0x{bits:X16})",
        _ when type == typeof(Half) => $"{Values.FromBits<Half>(bits)} (0x{bits:X4})",
        _ when type == typeof(int) => $"{(int)bits} (0x{bits:X8})",
        _ when type == typeof(long) => $"{(long)bits} (0x{bits:X16})",
        _ => $"0x{bits:X}",
    };

    private static string RegisterType(Type type) => type switch
    {
        _ when type == typeof(bool) => ".pred",
        _ when type == typeof(float) => ".f32",
        _ when type == typeof(double) => ".f64",
        _ => ".b" + MemoryType(type)[2..],
    };

    private static string MemoryType(Type type) => type switch
    {
        _ when type == typeof(float) => ".f32",
        _ when type == typeof(double) => ".f64",
        _ when s_halfWords.Contains(type) => ".b16",
        _ when type == typeof(long) || type == typeof(ulong) => ".b64",
        _ => ".b32",
    };

    private sealed record Row(ulong[] Operands, string Expected, Func<ulong, bool> IsRight);
}

using Iced.Intel;
using MsResampler.Cpu.Integer;
using static Iced.Intel.AssemblerRegisters;

namespace MsResampler.MachineCode;

/// <summary>Assembles a function <c>void (IntegerTile*)</c>: 6 rows of activations times a panel of 16 to 64 columns,
/// with 512-bit vectors.</summary>
/// <remarks>Per step it loads the vectors of weights, and for each row broadcasts 4 bytes of activations and adds the
/// products. With 4 vectors of columns, 24 vectors of sums, 4 of weights and 1 of activations are 29 of the 32
/// registers, and 24 independent additions, at two per cycle, hide a latency of up to 12 cycles.
/// <para>A function for Windows has no unwind data. It raises no exceptions, and .NET does not unwind native code; only
/// debuggers and profilers cannot name its callers.</para></remarks>
internal static unsafe class TileFunction
{
    /// <summary>Vectors of the widest panel.</summary>
    public const int MaxVectorCount = 4;

    private const int VectorBytes = 64;

    /// <summary>Weights are prefetched 32 steps ahead, also behind the panel, where the next one begins. On an AMD EPYC
    /// (Zen 5) a tile with a panel from main memory then reached 43 to 59 % of the peak in place of 37 to 45 %, from
    /// the third-level cache 98 % in place of 96 %, and from the second-level cache 100 % both ways. Distances of 2 or
    /// 4 KiB gained less, and more than 8 KiB no more.</summary>
    private const int PrefetchSteps = 32;

    /// <summary>The start of the loop is aligned to a line of the instruction cache.</summary>
    private const int LoopAlignment = 64;

    private static readonly AssemblerRegisterZMM[] s_weights = [zmm0, zmm1, zmm2, zmm3];
    private static readonly AssemblerRegisterZMM s_activations = zmm4;

    /// <summary>Vectors 16 to 31 belong to the function under every convention, and of 0 to 15 as few as possible are
    /// used.</summary>
    private static readonly AssemblerRegisterZMM[] s_sums =
    [
        zmm16, zmm17, zmm18, zmm19, zmm20, zmm21, zmm22, zmm23, zmm24, zmm25, zmm26, zmm27, zmm28, zmm29, zmm30, zmm31,
        zmm5, zmm6, zmm7, zmm8, zmm9, zmm10, zmm11, zmm12,
    ];

    /// <summary>The vectors above whose lower 128 bits a function on Windows preserves.</summary>
    private static readonly AssemblerRegisterXMM[] s_preserved = [xmm6, xmm7, xmm8, xmm9, xmm10, xmm11, xmm12];

    private static readonly AssemblerRegister64[] s_rows = [rax, rcx, rdx, rsi, r8, r9];

    /// <summary>Returns the bytes of the function. They can be placed at every address that is a multiple of
    /// 64.</summary>
    public static byte[] Assemble(Multiplication multiplication, CallConvention convention, int vectorCount)
    {
        // The first pass finds where the loop starts, the second aligns it.
        (_, int loopOffset) = Assemble(multiplication, convention, vectorCount, padding: 0);
        int padding = (LoopAlignment - (loopOffset % LoopAlignment)) % LoopAlignment;
        return Assemble(multiplication, convention, vectorCount, padding).Code;
    }

    private static (byte[] Code, int LoopOffset) Assemble(Multiplication multiplication, CallConvention convention,
        int vectorCount, int padding)
    {
        Assembler code = new(bitness: 64);
        code.endbr64();
        Begin(code, convention);
        AssemblerRegister64 tile = rdi, panel = r10, index = r11;
        LoadArguments(code, tile, panel, index);
        foreach (AssemblerRegisterZMM sum in s_sums[..(IntegerTile.RowCount * vectorCount)])
            code.vpxord(sum, sum, sum);
        code.nop(padding);
        Label loop = code.CreateLabel();
        code.Label(ref loop);
        AddStep(code, multiplication, vectorCount, panel, index);
        IntegerTile layout;
        code.add(panel, vectorCount * VectorBytes);
        code.add(index, __qword_ptr[tile + Offset(&layout, &layout.StepStride)]);
        code.jnz(loop);
        StoreSums(code, vectorCount, tile);
        End(code, convention);

        using MemoryStream stream = new();
        AssemblerResult result = code.Assemble(new StreamCodeWriter(stream), rip: 0,
            BlockEncoderOptions.ReturnNewInstructionOffsets);
        return (stream.ToArray(), (int)result.GetLabelRIP(loop));
    }

    /// <summary>Saves what the caller may expect to be preserved, and moves the argument to rdi.</summary>
    private static void Begin(Assembler code, CallConvention convention)
    {
        if (convention == CallConvention.SystemV)
            return;
        code.push(rdi);
        code.push(rsi);
        code.sub(rsp, SaveBytes);
        for (int i = 0; i < s_preserved.Length; i++)
            code.vmovups(__xmmword_ptr[rsp + (16 * i)], s_preserved[i]);
        code.mov(rdi, rcx);
    }

    private static void End(Assembler code, CallConvention convention)
    {
        // Without it, SSE instructions of the caller could be slow on Intel's processors.
        code.vzeroupper();
        if (convention == CallConvention.Windows)
        {
            for (int i = 0; i < s_preserved.Length; i++)
                code.vmovups(s_preserved[i], __xmmword_ptr[rsp + (16 * i)]);
            code.add(rsp, SaveBytes);
            code.pop(rsi);
            code.pop(rdi);
        }

        code.ret();
    }

    /// <summary>With the return address and two pushes, this keeps the stack aligned to 16 bytes.</summary>
    private static int SaveBytes => (16 * s_preserved.Length) + 8;

    /// <summary>Points every row behind its last step; the index counts up to zero.</summary>
    private static void LoadArguments(Assembler code, AssemblerRegister64 tile, AssemblerRegister64 panel,
        AssemblerRegister64 index)
    {
        IntegerTile layout;
        code.mov(index, __qword_ptr[tile + Offset(&layout, &layout.StepCount)]);
        code.imul(index, __qword_ptr[tile + Offset(&layout, &layout.StepStride)]);
        code.mov(panel, __qword_ptr[tile + Offset(&layout, &layout.Panel)]);
        for (int row = 0; row < IntegerTile.RowCount; row++)
        {
            code.mov(s_rows[row], __qword_ptr[tile + Offset(&layout, &layout.Row0 + row)]);
            code.lea(s_rows[row], __[s_rows[row] + (index * sizeof(int))]);
        }

        code.neg(index);
    }

    private static void AddStep(Assembler code, Multiplication multiplication, int vectorCount,
        AssemblerRegister64 panel, AssemblerRegister64 index)
    {
        for (int vector = 0; vector < vectorCount; vector++)
        {
            code.vmovdqu32(s_weights[vector], __zmmword_ptr[panel + (vector * VectorBytes)]);
            code.prefetcht0(__byte_ptr[panel + (((PrefetchSteps * vectorCount) + vector) * VectorBytes)]);
        }

        for (int row = 0; row < IntegerTile.RowCount; row++)
        {
            code.vpbroadcastd(s_activations, __dword_ptr[s_rows[row] + (index * sizeof(int))]);
            for (int vector = 0; vector < vectorCount; vector++)
            {
                AssemblerRegisterZMM sum = s_sums[(row * vectorCount) + vector];
                if (multiplication == Multiplication.Bytes)
                    code.vpdpbusd(sum, s_activations, s_weights[vector]);
                else
                    code.vpdpwssd(sum, s_activations, s_weights[vector]);
            }
        }
    }

    private static void StoreSums(Assembler code, int vectorCount, AssemblerRegister64 tile)
    {
        IntegerTile layout;
        code.mov(rax, __qword_ptr[tile + Offset(&layout, &layout.Sums)]);
        for (int i = 0; i < IntegerTile.RowCount * vectorCount; i++)
            code.vmovdqu32(__zmmword_ptr[rax + (i * VectorBytes)], s_sums[i]);
    }

    private static int Offset(IntegerTile* layout, void* field) => (int)((byte*)field - (byte*)layout);
}
